import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls';

/** How a `rediss://` server is proved, and how this process proves itself. Null: as Node does by itself. */
export type TlsFiles = {
  /** PEM with the certificates that are trusted instead of the system's. */
  readonly caFile: string | null;
  /** PEM of this client; both or neither. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** The name that certificates must carry, where it is not that of the address. */
  readonly serverName: string | null;
};

/** @throws Error with one line that names the file. */
export function readTls({ caFile, certFile, keyFile, serverName }: TlsFiles): TlsConnectionOptions {
  return {
    ...(caFile === null ? {} : { ca: pem('ca', caFile) }),
    ...(certFile === null ? {} : { cert: pem('cert', certFile) }),
    ...(keyFile === null ? {} : { key: pem('key', keyFile) }),
    ...(serverName === null ? {} : { servername: serverName }),
  };
}

function pem(field: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new Error(`store.tls.${field} cannot be read (${why}): ${path}`);
  }
  if (!text.includes('-----BEGIN ')) throw new Error(`store.tls.${field} is no PEM file: ${path}`);
  return text;
}
