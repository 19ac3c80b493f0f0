import { type Finding, fault, warning } from './check-top.ts';
import type { Top } from './schema.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** Where a dialect promises what the rest of its policy does not keep. */

const REQUEST_ID = 'repeatability-request-id';

type Place = (...path: ConfigPath) => ConfigPath;

export function checkDialect(policy: Policy, top: Top | null, at: Place): readonly Finding[] {
  return [
    ...checkEcho(policy, at),
    ...checkRepeatability(policy, at),
    ...checkJsonRpc(policy, at),
    ...checkGrpc(policy, top, at),
  ];
}

function checkEcho({ dialect, key }: Policy, at: Place): readonly Finding[] {
  if (dialect.echoKey === 'off' || key.sources.every(({ message }) => message === undefined)) return [];
  return [
    fault(
      'the id of a message is any text, and a field of an answer cannot carry it',
      at('dialect', 'echoKey'),
      at('key', 'sources'),
      at('message'),
    ),
  ];
}

function checkGrpc(policy: Policy, top: Top | null, at: Place): readonly Finding[] {
  if (policy.dialect.grpc === 'off') return [];
  const here = at('dialect', 'grpc');
  const found: Finding[] = [];
  for (const other of ['message', 'sequence', 'task', 'reconcile'] as const) {
    if (policy[other] !== 'off')
      found.push(fault(`dialect.grpc does not go together with ${other}; give one up`, at(other), here));
  }
  if (policy.dialect.jsonRpc !== 'off')
    found.push(
      fault('does not go together with dialect.jsonRpc; give one up', here, at('dialect', 'jsonRpc')),
    );
  if (policy.mode === 'observe')
    found.push(
      fault('observing judges by the status of HTTP, which says nothing of a call of gRPC', at('mode'), here),
    );
  if (top === null) return found;
  if (top.upstream.protocol !== 'http2')
    found.push(
      fault(
        'needs upstream.protocol: http2; HTTP/1.1 has no place for how a call ended',
        here,
        at('profile'),
      ),
    );
  if (top.http2 === 'off' || (top.http2 === 'alpn' && top.tls === 'off'))
    found.push(
      fault('needs clients over HTTP/2: tls, or http2: prior-knowledge', here, at('profile'), ['http2']),
    );
  return found;
}

function checkJsonRpc(policy: Policy, at: Place): readonly Finding[] {
  if (policy.dialect.jsonRpc === 'off') return [];
  const found: Finding[] = [];
  const here = at('dialect', 'jsonRpc', 'methods');
  // Their answers and keys are not those of a message.
  for (const other of ['message', 'sequence', 'task'] as const) {
    if (policy[other] !== 'off')
      found.push(fault(`dialect.jsonRpc does not go together with ${other}; give one up`, at(other), here));
  }
  const { body } = policy.fingerprint;
  const leavesOutId = typeof body === 'string' ? body === 'none' : leavesOut(body);
  if (!leavesOutId) {
    found.push(
      warning(
        'fingerprint.body compares the id of the message, which is new with every try, so that a repeat is refused as another request; use { exclude: [/id, /params/_meta] }',
        at('fingerprint', 'body'),
        here,
      ),
    );
  }
  return found;
}

function leavesOut(body: Exclude<Policy['fingerprint']['body'], string>): boolean {
  const covers = ({ pointer }: { readonly pointer: string }): boolean => pointer === '/id' || pointer === '';
  return 'exclude' in body ? body.exclude.some(covers) : !body.select.some(covers);
}

function checkRepeatability(policy: Policy, at: Place): readonly Finding[] {
  const { repeatability } = policy.dialect;
  if (repeatability === 'off' || repeatability === 'unsupported') return [];
  const found: Finding[] = [];
  const window = at('dialect', 'repeatability', 'window');
  // First executed `ahead` before its own First-Sent at the earliest, and remembered for `retain` from then on.
  if (repeatability.window + repeatability.ahead > policy.retain) {
    found.push(
      fault(
        'window and ahead together are longer than retain: a request that is forgotten would still be within the window, and be executed again',
        window,
        at('dialect', 'repeatability', 'ahead'),
        at('retain'),
      ),
    );
  }
  const [source, ...others] = policy.key.sources;
  if (source?.header !== REQUEST_ID || others.length > 0) {
    found.push(
      fault(
        'dialect.repeatability needs key.sources: [{ header: Repeatability-Request-ID }] and no other: the date belongs to that id',
        at('key', 'sources'),
        at('dialect', 'repeatability'),
      ),
    );
  }
  if (!policy.fingerprint.headers.includes('repeatability-first-sent')) {
    found.push(
      warning(
        'fingerprint.headers leaves out Repeatability-First-Sent: a client that renews the date with each try would leave the window only when its key is long forgotten',
        at('fingerprint', 'headers'),
        window,
      ),
    );
  }
  if (policy.onStoreDown === 'forward') {
    found.push(
      warning(
        'a request that asks to be executed once is forwarded without protection while the store is away; refuse it',
        at('onStoreDown'),
        window,
      ),
    );
  }
  return found;
}
