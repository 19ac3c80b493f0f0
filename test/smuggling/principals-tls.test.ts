import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';

/** Fifty principals with a certificate each, and the fields in which proxies tell backends of certificates. */

const PRINCIPALS = 50;
const EVERYONE = Array.from({ length: PRINCIPALS }, (_none, who) => who);

type Caller = { readonly agent: Agent; readonly issued: Issued };

let authority: Authority;
let backend: CountingBackend;
let proxy: TestProxy;
let callers: readonly Caller[];

beforeAll(async () => {
  authority = await createAuthority();
  const own = await authority.issue('proxy');
  const ca = await readFile(authority.caFile);
  const made: Caller[] = [];
  for (const who of EVERYONE) {
    const issued = await authority.issue(`caller-${who}`, {
      alternativeNames: `DNS:caller-${who}.example`,
    });
    const [cert, key] = [await readFile(issued.certFile), await readFile(issued.keyFile)];
    made.push({ agent: new Agent({ keepAlive: true, maxSockets: 4, ca, cert, key }), issued });
  }
  callers = made;
  backend = await startCountingBackend((arrival) => {
    arrival.execute();
    arrival.answer(200, `owner ${arrival.request.headers['x-owner']}.`);
  });
  proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: off',
      'admin: off',
      `tls: { certificate: "${own.certFile}", key: "${own.keyFile}", clientCa: "${authority.caFile}" }`,
      `upstream: { url: "${backend.origin}" }`,
      'store: "memory:"',
      'drain: { timeout: 0s }',
      'log: { level: silent }',
      'routes:',
      ...['fingerprint', 'subject', 'san'].map(
        (part) => `  - { name: ${part}, match: { path: /${part} }, scope: { certificate: ${part} } }`,
      ),
    ].join('\n'),
  );
}, 60_000);

afterAll(async () => {
  for (const { agent } of callers) agent.destroy();
  await proxy.close();
  await backend.close();
  await authority.remove();
});

function bodyOf(path: string, key: string, who: number, claims: Readonly<Record<string, string>>) {
  const { agent } = callers[who] ?? {};
  const headers = { 'Idempotency-Key': key, 'X-Owner': String(who), 'Content-Length': '0', ...claims };
  const at = { host: '127.0.0.1', port: proxy.port, servername: 'localhost', method: 'POST', path, headers };
  return new Promise<string>((resolve, reject) => {
    const sent = request({ ...at, ...(agent === undefined ? {} : { agent }) }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve(`${answer.statusCode} ${Buffer.concat(chunks).toString()}`));
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe.each(['fingerprint', 'subject', 'san'])(
  'on a route whose scope is the %s of the certificate',
  (part) => {
    it('no answer of one of fifty principals comes to another, whatever it says of its certificate', async () => {
      for (const who of EVERYONE)
        expect(await bodyOf(`/${part}`, `${part}-${who}`, who, {})).toBe(`200 owner ${who}.`);
      const crossed: string[] = [];
      for (const other of EVERYONE) {
        const name = `caller-${other}`;
        const claims = {
          'X-Forwarded-Client-Cert': `Subject="CN=${name}";DNS=${name}.example`,
          'X-SSL-Client-S-DN': `CN=${name}`,
          'Client-Cert': `:${name}:`,
        };
        const found = await Promise.all(
          EVERYONE.filter((who) => who !== other).map(async (who) => {
            const answer = await bodyOf(`/${part}`, `${part}-${other}`, who, claims);
            return answer === `200 owner ${who}.` ? '' : `${who} asked for that of ${other}: ${answer}`;
          }),
        );
        crossed.push(...found.filter((text) => text !== ''));
      }

      expect(crossed).toEqual([]);
      for (const who of EVERYONE)
        expect(await bodyOf(`/${part}`, `${part}-${who}`, who, {})).toBe(`200 owner ${who}.`);
    });
  },
);
