import { type Finding, fault, warning } from './check-top.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** Where a dialect promises what the rest of its policy does not keep. */

const REQUEST_ID = 'repeatability-request-id';

export function checkDialect(policy: Policy, at: (...path: ConfigPath) => ConfigPath): readonly Finding[] {
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
