import { type Finding, fault } from './check-top.ts';
import { POLICY_DEFAULTS } from './defaults.ts';
import type { Top } from './schema.ts';
import type { Policy } from './schema-policy.ts';
import type { ConfigPath } from './tree.ts';

/** What a sequence cannot go together with. */
export function checkSequence(
  policy: Policy,
  top: Top | null,
  at: (...path: ConfigPath) => ConfigPath,
): readonly Finding[] {
  const { sequence } = policy;
  if (sequence === 'off') return [];
  const found: Finding[] = [];
  if (!isDefaultSource(policy.key.sources))
    found.push(
      fault(
        'a route has either a key or a sequence, whose fields take the place of key.sources; remove one of them',
        at('key', 'sources'),
        at('sequence'),
      ),
    );
  if (policy.key.required)
    found.push(
      fault(
        'a sequence takes the place of the key; say sequence.required',
        at('key', 'required'),
        at('sequence'),
      ),
    );
  if (policy.message !== 'off')
    found.push(
      fault(
        'a message is known by its id and not by a number; remove one of them',
        at('message'),
        at('sequence'),
      ),
    );
  if (policy.task !== 'off')
    found.push(
      fault(
        'the next number waits for the answer to the one before, which a task gives later; remove one of them',
        at('task'),
        at('sequence'),
      ),
    );
  if (policy.mode === 'observe')
    found.push(
      fault(
        'a sequence cannot be observed: without its order kept nothing can be told of it; remove one of them',
        at('mode'),
        at('sequence'),
      ),
    );
  if (policy.onStoreDown === 'forward')
    found.push(
      fault(
        'a sequence keeps no order while requests are forwarded without the store; set onStoreDown: refuse',
        at('onStoreDown'),
        at('sequence'),
      ),
    );
  if (top?.reserved === 'off' && sequence.unknownProducer === 'refuse')
    found.push(
      fault('producers are issued below the reserved prefix, and reserved is off', at('sequence'), [
        'reserved',
      ]),
    );
  return found;
}

function isDefaultSource(sources: Policy['key']['sources']): boolean {
  const [only] = sources;
  const [standard] = POLICY_DEFAULTS.key.sources;
  return sources.length === 1 && only?.header === standard.header.toLowerCase();
}
