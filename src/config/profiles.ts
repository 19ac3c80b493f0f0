import { acp } from './profiles/acp.ts';
import { adyen } from './profiles/adyen.ts';
import { aip155 } from './profiles/aip-155.ts';
import { awsClientToken } from './profiles/aws-client-token.ts';
import { azureRepeatability } from './profiles/azure-repeatability.ts';
import { checkout } from './profiles/checkout.ts';
import { grpc } from './profiles/grpc.ts';
import { ietf } from './profiles/ietf.ts';
import { mcp } from './profiles/mcp.ts';
import { paypal } from './profiles/paypal.ts';
import type { Profile } from './profiles/profile.ts';
import { square } from './profiles/square.ts';
import { stripe } from './profiles/stripe.ts';
import type { ConfigData } from './tree.ts';

/** The dialects of other APIs, by name. docs/dialects.md is generated from them and a test compares both. */
const PROFILES = {
  ietf,
  stripe,
  acp,
  'azure-repeatability': azureRepeatability,
  paypal,
  adyen,
  checkout,
  square,
  'aip-155': aip155,
  'aws-client-token': awsClientToken,
  mcp,
  grpc,
} as const satisfies Readonly<Record<string, Profile>>;

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
