import type { ResolvedConfig } from './config/resolved.ts';
import { readTlsFiles, type TlsFiles, type TlsMaterial, watchTlsFiles } from './config/tls-files.ts';
import { WATCH_MS } from './config/watch-content.ts';
import type { ServerTls } from './http/tls-server.ts';
import type { UpstreamTls } from './http/upstream-tls.ts';
import type { Log } from './observe/log.ts';

/** The certificates of either side: read at the start, and again whenever their files change. */

const SOON_MS = 7 * 86_400_000;

export type Certificates<T> = {
  /** The same object until other ones are in use. */
  current(): T;
  /** Hears of every new one; may throw where it cannot be used after all. */
  onRenewed(renew: (next: T) => void): void;
  checkNow(): void;
  stop(): void;
};

type Opening<T> = {
  /** Stands in messages. */
  readonly what: 'tls' | 'upstream.tls';
  readonly files: TlsFiles;
  readonly use: (material: TlsMaterial) => T;
  readonly log: Log;
  readonly wallMs: () => number;
};

/** Rejects with one line that names the file. */
async function open<T>({ what, files, use, log, wallMs }: Opening<T>): Promise<Certificates<T>> {
  const first = await readTlsFiles(files);
  if (first.kind === 'faulty') throw new Error(`${what}: ${first.message}`);
  let current = use(first.material);
  let renewed: (next: T) => void = () => undefined;
  const tell = ({ notAfterMs }: TlsMaterial): void => {
    if (notAfterMs === null) return;
    const level = notAfterMs - wallMs() < SOON_MS ? 'warn' : 'info';
    log.event(level, 'certificate in use', { of: what, notAfter: new Date(notAfterMs).toISOString() });
  };
  tell(first.material);
  const watch = watchTlsFiles(files, {
    intervalMs: WATCH_MS,
    known: first.digest,
    onChange(read) {
      try {
        if (read.kind === 'faulty') throw new Error(read.message);
        const next = use(read.material);
        renewed(next);
        current = next;
        tell(read.material);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        log.event('warn', 'certificate refused, the old one stays in force', { of: what, why });
      }
    },
  });
  return {
    current: () => current,
    onRenewed(renew) {
      renewed = renew;
    },
    checkNow: () => watch.checkNow(),
    stop: () => watch.stop(),
  };
}

/** Null without TLS on `listen`. */
export async function openServerCertificate(
  { tls }: ResolvedConfig,
  log: Log,
  wallMs: () => number,
): Promise<Certificates<ServerTls> | null> {
  if (tls === null) return null;
  const { certificate, key, clientCa, clientCertificates, minVersion } = tls;
  return await open({
    what: 'tls',
    files: { certificate, key, ca: clientCa },
    use: (material) => {
      if (material.certificate === null || material.key === null)
        throw new Error('a certificate needs its key');
      return {
        ...{ certificate: material.certificate, key: material.key, clientCa: material.ca },
        ...{ clientCertificates, minVersion, notAfterMs: material.notAfterMs ?? 0 },
      };
    },
    ...{ log, wallMs },
  });
}

/** Null where `upstream.tls` is not set: then the authorities of node count, and we have no certificate. */
export async function openUpstreamCertificate(
  { upstream: { tls } }: ResolvedConfig,
  log: Log,
  wallMs: () => number,
): Promise<Certificates<UpstreamTls> | null> {
  if (tls === null) return null;
  const { certificate, key, ca, serverName, minVersion } = tls;
  return await open<UpstreamTls>({
    what: 'upstream.tls',
    files: { certificate, key, ca },
    use: (material) => ({
      ...{ certificate: material.certificate, key: material.key, ca: material.ca },
      ...{ serverName, minVersion },
    }),
    ...{ log, wallMs },
  });
}
