import { loadConfigText } from '../../src/config/load.ts';
import type { RoutePolicy } from '../../src/core/policy.ts';
import type { RequestContext } from '../../src/engine/types.ts';

/** The policy of a configuration that names nothing. */
export function defaultPolicy(): RoutePolicy {
  const loaded = loadConfigText(
    'upstream: { url: "http://127.0.0.1:1" }\nstore: "memory:"\ndefaults: { scope: { anonymous: allow } }\n',
    'test.yaml',
    {},
  );
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
  const { fallback } = loaded.config;
  if (fallback.kind !== 'policy') throw new Error('no policy where no route matches');
  return fallback.policy;
}

export type EngineParts = { readonly [Part in keyof RequestContext['engine']]?: unknown };

/** A request at the engine with the parts that a test names; any other is missed loudly. */
export function contextWith(
  engine: EngineParts,
  sent: (status: number, body: string) => void = () => undefined,
): RequestContext {
  const context = {
    engine,
    snapshot: { config: { docsUrl: null }, sealing: null },
    incoming: {
      head: { method: 'POST' },
      reply: {
        state: () => 'open',
        onGone: () => undefined,
        send: (head: { status: number }, body: Uint8Array | null) =>
          sent(head.status, Buffer.from(body ?? []).toString()),
      },
    },
    head: { method: 'POST', target: '/x', rawHeaders: [], httpVersion: '1.1' },
    policy: defaultPolicy(),
    scope: Buffer.from('scope'),
    key: 'k1',
  };
  // Only what the tested step reads is there; what else it read would fail the test.
  return context as unknown as RequestContext;
}
