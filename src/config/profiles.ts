import { ietf } from './profiles/ietf.ts';
import type { Profile } from './profiles/profile.ts';
import { stripe } from './profiles/stripe.ts';
import type { ConfigData } from './tree.ts';

/** The dialects of other APIs, by name. docs/dialects.md is generated from them and a test compares both. */
const PROFILES = { ietf, stripe } as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

// Object.keys is typed string[]; the keys of the literal above are exactly the names.
export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];

export function profileOf(name: ProfileName): Profile {
  return PROFILES[name];
}

/** Null for `none`, and for what is no name of a profile. */
export function profileValues(name: string): ConfigData | null {
  const known = PROFILE_NAMES.find((one) => one === name);
  return known === undefined ? null : PROFILES[known].values;
}
