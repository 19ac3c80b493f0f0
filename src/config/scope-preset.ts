import { type ConfigNode, childOf, nodeOf } from './tree.ts';

/** A scope that is proven needs no field that claims it, least of all the one with the token, which is renewed. */
const PROVEN = nodeOf({ scope: { headers: [] } }, { kind: 'preset', name: 'scope', at: null });

export function scopePreset(own: ConfigNode): ConfigNode | null {
  const scope = childOf(own, 'scope');
  const certificate = childOf(scope, 'certificate');
  const isProven =
    childOf(scope, 'jwt')?.kind === 'map' || (certificate?.kind === 'scalar' && certificate.value !== 'off');
  return isProven ? PROVEN : null;
}
