import type { Caller, TokenFacts } from '../core/caller.ts';
import type { RequestHead } from '../core/wire.ts';
import type { Snapshot } from './types.ts';

/** Reads the token of a request, where a route asks whose it is. */
export async function identify(
  { tokens }: Snapshot,
  head: RequestHead,
  { certificate }: Caller,
): Promise<Caller> {
  return { certificate, token: tokens === null ? NO_DESK : await tokens.read(head.rawHeaders) };
}

/** A configuration whose routes ask for tokens says whose; one that is caught between two reloads may not. */
const NO_DESK: TokenFacts = { kind: 'unavailable', detail: 'No issuer of tokens is trusted here.' };
