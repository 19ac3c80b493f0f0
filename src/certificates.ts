import type { ResolvedConfig } from './config/resolved.ts';
import { readTlsFiles, type TlsRead, watchTlsFiles } from './config/tls-files.ts';
import type { ServerTls } from './http/tls-server.ts';
import type { Log } from './observe/log.ts';

/** The certificate that clients are shown: read at the start, and again whenever its files change. */

const WATCH_MS = 5_000;
const SOON_MS = 7 * 86_400_000;

export type ServerCertificate = {
  readonly tls: ServerTls;
  /** `renew` gets every new one that can be used; may throw where it cannot after all. */
  watch(renew: (tls: ServerTls) => void): { checkNow(): void; stop(): void };
};

/** Null without TLS. Rejects with one line that names the file. */
export async function openServerCertificate(
  { tls }: ResolvedConfig,
  log: Log,
  wallMs: () => number,
): Promise<ServerCertificate | null> {
  if (tls === null) return null;
  const files = { certificate: tls.certificate, key: tls.key, ca: tls.clientCa };
  const first = await readTlsFiles(files);
  const usable = (read: TlsRead): ServerTls | string => {
    if (read.kind === 'faulty') return read.message;
    const { certificate, key, ca, notAfterMs } = read.material;
    if (certificate === null || key === null) return 'a certificate needs its key';
    tell(log, tls.certificate, notAfterMs ?? 0, wallMs());
    const { clientCertificates, minVersion } = tls;
    return { certificate, key, clientCa: ca, clientCertificates, minVersion, notAfterMs: notAfterMs ?? 0 };
  };
  const used = usable(first);
  if (typeof used === 'string') throw new Error(`tls: ${used}`);
  return {
    tls: used,
    watch: (renew) =>
      watchTlsFiles(files, {
        intervalMs: WATCH_MS,
        known: first.digest,
        onChange(read) {
          const next = usable(read);
          try {
            if (typeof next === 'string') throw new Error(next);
            renew(next);
          } catch (error) {
            const why = error instanceof Error ? error.message : String(error);
            log.event('warn', 'certificate refused, the old one stays in force', { why });
          }
        },
      }),
  };
}

function tell(log: Log, file: string, notAfterMs: number, nowMs: number): void {
  const level = notAfterMs - nowMs < SOON_MS ? 'warn' : 'info';
  log.event(level, 'certificate in use', { file, notAfter: new Date(notAfterMs).toISOString() });
}
