import { hash, timingSafeEqual } from 'node:crypto';

/** Who may write on the admin port. */
export type AdminToken = { readonly name: string; readonly token: string };

type Caller =
  | { readonly kind: 'known'; readonly name: string }
  | { readonly kind: 'unknown' }
  /** No token is configured: nobody may. */
  | { readonly kind: 'nobody-may' };

/** Every token is compared, and each as a digest: the time it takes tells nothing of which one was near. */
export function callerOf(tokens: readonly AdminToken[], authorization: string | undefined): Caller {
  if (tokens.length === 0) return { kind: 'nobody-may' };
  const given = hash('sha256', /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '', 'buffer');
  let caller: Caller = { kind: 'unknown' };
  for (const { name, token } of tokens)
    if (timingSafeEqual(given, hash('sha256', token, 'buffer'))) caller = { kind: 'known', name };
  return caller;
}
