import { isIP } from 'node:net';

/** TLS with the backend: whom to believe, who we are, and whose name its certificate must carry. */

export type UpstreamTls = {
  /** PEM; null: the authorities of node. */
  readonly ca: string | null;
  /** PEM; null: the backend is told no name of ours. */
  readonly certificate: string | null;
  readonly key: string | null;
  /** Null: the host of the origin. */
  readonly serverName: string | null;
  readonly minVersion: '1.2' | '1.3';
};

/**
 * The name that is asked for and verified. Never that of a request's Host field: a client must not choose whose
 * certificate is believed. Empty for an address, which is verified as the address it is.
 */
export function serverNameOf(origin: string, tls: UpstreamTls | null): string {
  if (tls !== null && tls.serverName !== null) return tls.serverName;
  const host = new URL(origin).hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? host : '';
}

type TlsParts = {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

export function connectionOptions(tls: UpstreamTls | null): TlsParts {
  if (tls === null) return { minVersion: 'TLSv1.2' };
  const { ca, certificate, key, minVersion } = tls;
  return {
    minVersion: `TLSv${minVersion}`,
    ...(ca === null ? {} : { ca }),
    ...(certificate === null || key === null ? {} : { cert: certificate, key }),
  };
}
