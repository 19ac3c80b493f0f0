import type { JsonValue } from '../../src/core/json.ts';
import { unreachable } from '../../src/core/unreachable.ts';

/** What JSON.parse would have made of it. */
export function plain(value: JsonValue): unknown {
  switch (value.kind) {
    case 'object':
      return Object.fromEntries([...value.members].map(([name, member]) => [name, plain(member)]));
    case 'array':
      return value.items.map(plain);
    case 'string':
      return value.text;
    case 'number':
      return value.value;
    case 'literal':
      return value.text === 'null' ? null : value.text === 'true';
    default:
      return unreachable(value);
  }
}
