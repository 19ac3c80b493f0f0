import { createPrivateKey, hash, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { readBounded } from './read-bounded.ts';
import { type ContentWatch, watchContent } from './watch-content.ts';

/** Certificates and keys in files (PEM), for either side of the proxy: read, judged, and watched for a change. */

export type TlsFiles = {
  /** The certificate, with the chain behind it. */
  readonly certificate: string | null;
  readonly key: string | null;
  /** Whom to believe. */
  readonly ca: string | null;
};

export type TlsMaterial = {
  readonly certificate: string | null;
  readonly key: string | null;
  readonly ca: string | null;
  /** Of our own certificate, the first in its file; null without one. */
  readonly notAfterMs: number | null;
};

export type TlsRead =
  | { readonly kind: 'material'; readonly material: TlsMaterial; readonly digest: string }
  /** `message`: one line that names the file. */
  | { readonly kind: 'faulty'; readonly message: string; readonly digest: string };

/** A bundle of all public authorities is some 250 KiB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Never rejects. A certificate that is over is material all the same: whether it still serves is the peer's business. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsRead> {
  const texts: Record<keyof TlsFiles, string | null> = { certificate: null, key: null, ca: null };
  try {
    for (const what of ['certificate', 'key', 'ca'] as const) {
      const path = files[what];
      if (path !== null) texts[what] = await readText(path);
    }
    const digest = digestOf(texts);
    const wrong = faultOf(files, texts);
    if (wrong !== null) return { kind: 'faulty', message: wrong, digest };
    const notAfterMs =
      texts.certificate === null ? null : new X509Certificate(texts.certificate).validToDate.getTime();
    return { kind: 'material', material: { ...texts, notAfterMs }, digest };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'faulty', message, digest: `unreadable: ${message}` };
  }
}

/** `known`: the digest of what is in use. What is faulty is reported too, and what was in use stays so. */
export function watchTlsFiles(files: TlsFiles, { intervalMs, known, onChange }: Watching): ContentWatch {
  return watchContent<TlsRead>({
    read: () => readTlsFiles(files),
    digest: ({ digest }) => digest,
    intervalMs,
    onChange,
    known,
  });
}

type Watching = {
  readonly intervalMs: number;
  readonly known: string;
  readonly onChange: (read: TlsRead) => void;
};

async function readText(path: string): Promise<string> {
  const bytes = await readBounded(path, FILE_BYTES_MAX).catch((error: unknown) => {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (bytes === null) throw new Error(`${path}: the file is larger than 4 MiB`);
  return bytes.toString('utf8');
}

/** Null: they can be used together. */
function faultOf(files: TlsFiles, texts: Readonly<Record<keyof TlsFiles, string | null>>): string | null {
  const { certificate, key, ca } = texts;
  if (ca !== null && certificateOf(ca) === null) return `${files.ca}: there is no PEM certificate in it`;
  if (certificate !== null && key !== null) {
    const own = certificateOf(certificate);
    if (own === null) return `${files.certificate}: there is no PEM certificate in it`;
    const secret = privateKeyOf(key);
    if (secret === null)
      return `${files.key}: there is no PEM private key in it that can be used without a passphrase`;
    if (!own.checkPrivateKey(secret))
      return `${files.key}: the key does not belong to the certificate in ${files.certificate}`;
  }
  try {
    // What OpenSSL itself would refuse: a chain that is broken off, a key that is too weak.
    createSecureContext({ cert: certificate ?? undefined, key: key ?? undefined, ca: ca ?? undefined });
    return null;
  } catch (error) {
    const names = [files.certificate, files.key, files.ca].filter((name) => name !== null).join(', ');
    return `${names}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function certificateOf(text: string): X509Certificate | null {
  try {
    return new X509Certificate(text);
  } catch {
    return null;
  }
}

function privateKeyOf(text: string): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch {
    return null;
  }
}

/** Of the key too, as a digest: what a log or a comparison holds must not be the key itself. */
function digestOf(texts: Readonly<Record<keyof TlsFiles, string | null>>): string {
  return hash('sha256', JSON.stringify([texts.certificate, texts.key, texts.ca]), 'base64url');
}
