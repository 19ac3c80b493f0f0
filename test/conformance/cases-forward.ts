import { answer, type ConformanceCase, exchange, required } from './model.ts';

/** What the backend is sent. */

const MADE = answer(201, 'made');

export const FORWARD_CASES: readonly ConformanceCase[] = [
  required(
    'forward-key-as-it-came',
    'default',
    'the key is forwarded as it came',
    'design section 5, forwarded request',
    exchange({ headers: [['iDempotency-key', '"abc";p=1']], body: 'x' }, [MADE], {
      status: 201,
      upstream: { headers: { 'idempotency-key': '"abc";p=1' } },
    }),
  ),
  required(
    'forward-attempt-and-token',
    'default',
    'an execution carries its attempt and a fencing token',
    'design section 5, forwarded request',
    exchange({ key: 'k1', body: 'x' }, [answer(503, 'no')], {
      upstream: {
        headers: { 'onceward-attempt': '1', 'onceward-fencing-token': { some: /^[1-9]\d{0,15}$/ } },
      },
    }),
    exchange({ key: 'k1', body: 'x' }, [MADE], {
      upstream: {
        headers: { 'onceward-attempt': '2', 'onceward-fencing-token': { some: /^[1-9]\d{0,15}$/ } },
      },
    }),
  ),
  required(
    'forward-inbound-onceward',
    'default',
    "a client's own Onceward fields are removed",
    'design section 5, forwarded request',
    exchange(
      {
        key: 'k1',
        headers: [
          ['Onceward-Fencing-Token', '1'],
          ['onceward-attempt', '9'],
          ['ONCEWARD-X', '1'],
        ],
        body: 'x',
      },
      [MADE],
      {
        upstream: {
          headers: {
            'onceward-fencing-token': { some: /^\d{2,}$/ },
            'onceward-attempt': '1',
            'onceward-x': null,
          },
        },
      },
    ),
    exchange({ headers: [['Onceward-Fencing-Token', '1']], body: 'x' }, [MADE], {
      upstream: { headers: { 'onceward-fencing-token': null } },
    }),
  ),
  required(
    'forward-via',
    'default',
    'Via is appended to',
    'RFC 9110 section 7.6.3; edge case 67',
    exchange(
      {
        headers: [
          ['Via', '1.0 fred'],
          ['Via', '1.1 ned'],
        ],
        body: 'x',
      },
      [MADE],
      { upstream: { headers: { via: '1.0 fred, 1.1 ned, 1.1 onceward' } } },
    ),
    exchange({ key: 'k1', body: 'x' }, [MADE], { upstream: { headers: { via: '1.1 onceward' } } }),
  ),
  required(
    'forward-untrusted-forwarding',
    'default',
    'forwarding fields of an untrusted peer are replaced',
    'RFC 7239 section 8.1; design section 5, forwarded request',
    exchange(
      {
        headers: [
          ['X-Forwarded-For', '1.2.3.4'],
          ['X-Forwarded-Proto', 'https'],
          ['X-Forwarded-Host', 'evil'],
          ['Forwarded', 'for=1.2.3.4'],
          ['X-Real-IP', '1.2.3.4'],
        ],
        body: 'x',
      },
      [MADE],
      {
        upstream: {
          headers: {
            'x-forwarded-for': { some: /^(?!1\.2\.3\.4)[0-9a-f.:]+$/ },
            'x-forwarded-proto': 'http',
            'x-forwarded-host': '{host}',
            forwarded: null,
            'x-real-ip': null,
          },
        },
      },
    ),
  ),
  required(
    'forward-hop-by-hop',
    'default',
    'hop-by-hop and nominated fields of the request are dropped',
    'RFC 9110 section 7.6.1',
    exchange(
      {
        key: 'k1',
        headers: [
          ['Connection', 'X-Hop, keep-alive'],
          ['X-Hop', '1'],
          ['TE', 'trailers'],
          ['Keep-Alive', '5'],
          ['Proxy-Authorization', 'Basic x'],
          ['X-End', '1'],
        ],
        body: 'x',
      },
      [MADE],
      {
        upstream: {
          headers: { 'x-hop': null, te: null, 'keep-alive': null, 'proxy-authorization': null, 'x-end': '1' },
        },
      },
    ),
  ),
  required(
    'forward-fields-kept',
    'default',
    'all other fields go on in order, repeated ones apart',
    'RFC 9110 section 5.3',
    exchange(
      {
        key: 'k1',
        headers: [
          ['X-B', '2'],
          ['X-A', 'caf\xe9'],
          ['X-B', '1'],
          ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
          ['Cookie', 'a=1'],
        ],
        body: 'x',
      },
      [MADE],
      {
        upstream: {
          body: 'x',
          method: 'POST',
          headers: {
            'x-b': ['2', '1'],
            'x-a': 'caf\xe9',
            cookie: 'a=1',
            host: '{host}',
            authorization: '{caller}',
            traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          },
        },
      },
    ),
  ),
  required(
    'forward-accept-encoding-unkeyed',
    'default',
    'an unkeyed request keeps its Accept-Encoding',
    'design section 4',
    exchange({ method: 'GET', headers: [['Accept-Encoding', 'gzip, br;q=0.5']] }, [answer(200, 'ok')], {
      upstream: { headers: { 'accept-encoding': 'gzip, br;q=0.5' } },
    }),
  ),
  required(
    'forward-trailers-dropped',
    'default',
    'request trailers do not become fields of the header',
    'RFC 9110 section 6.5.1',
    exchange({ key: 'k1', body: 'hello', framing: 'chunked', trailers: [['X-Admin', '1']] }, [MADE], {
      status: 201,
      upstream: { headers: { 'x-admin': null }, body: 'hello' },
    }),
  ),
];
