import type { JwtConfig } from './resolved.ts';
import type { Top } from './schema.ts';

export function resolveJwt(jwt: Top['jwt']): JwtConfig | null {
  if (jwt === 'off') return null;
  return {
    issuers: jwt.issuers.map(({ issuer, jwks, audience, algorithms }) => ({
      issuer,
      jwksFile: jwks,
      audiences: audience === 'any' ? null : audience,
      algorithms,
    })),
    header: jwt.header,
    leewayMs: jwt.leeway,
  };
}
