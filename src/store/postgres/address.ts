import { readFileSync } from 'node:fs';
import type { ConnectionOptions as TlsOptions } from 'node:tls';

/** Where and how to connect. */
export type Address = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** A function, so that the driver looks for no other in its environment and its files. */
  readonly password: () => string;
  readonly database: string;
  readonly ssl: TlsOptions | false;
};

const DEFAULT_PORT = 5432;
const PARAMETERS = ['sslmode', 'sslrootcert', 'host'] as const;

/**
 * `postgres://user[:password]@host[:port][/database][?sslmode=…]`. Read here, not by the driver, which lets the query
 * override every option, time limits included.
 *
 * sslmode, as libpq means it: `disable` (default) no TLS; `require` TLS, the server's certificate is not verified;
 * `verify-ca`; `verify-full` verified, with the name of the host. sslrootcert: a file of certificates. host: the
 * folder of a Unix socket.
 * @throws Error with one line that names the URL without its password
 */
export function readAddress(url: string): Address {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:')) {
    throw refused('must be postgres://user:password@host:port/database', url);
  }
  const unknown = [...parsed.searchParams.keys()].filter(
    (name) => !PARAMETERS.some((parameter) => parameter === name),
  );
  if (unknown.length > 0 || parsed.hash !== '') {
    throw refused(`takes no parameters but ${PARAMETERS.join(', ')}`, url);
  }
  const socketFolder = parsed.searchParams.get('host');
  if (socketFolder !== null && (!socketFolder.startsWith('/') || parsed.hostname !== '')) {
    throw refused('has a host in its query that is no folder of a Unix socket', url);
  }
  const host = socketFolder ?? parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const user = decodeURIComponent(parsed.username);
  if (host === '' || user === '') throw refused('must name a host and a user', url);
  const password = decodeURIComponent(parsed.password);
  return {
    host,
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    user,
    password: () => password,
    database: decodeURIComponent(parsed.pathname.slice(1)) || user,
    ssl: tlsOptions(parsed, url),
  };
}

/** The address without its password, for messages. */
export function maskedUrl(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  // libpq takes a password here; the store does not, but must not tell it either.
  if (parsed.searchParams.has('password')) parsed.searchParams.set('password', '***');
  return parsed.href;
}

function tlsOptions(parsed: URL, url: string): TlsOptions | false {
  const file = parsed.searchParams.get('sslrootcert');
  const mode = parsed.searchParams.get('sslmode') ?? 'disable';
  const root = file === null ? {} : { ca: rootCertificates(file, url) };
  switch (mode) {
    case 'disable':
      return false;
    case 'require':
      // With a root of trust it is verify-ca, as in libpq.
      return file === null ? { rejectUnauthorized: false } : { ...root, checkServerIdentity: anyName };
    case 'verify-ca':
      return { ...root, checkServerIdentity: anyName };
    case 'verify-full':
      return root;
    default:
      throw refused('knows sslmode disable, require, verify-ca and verify-full', url);
  }
}

function anyName(): undefined {
  return undefined;
}

function rootCertificates(file: string, url: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw refused(`names an sslrootcert that cannot be read (${file})`, url);
  }
}

function refused(why: string, url: string): Error {
  return new Error(`store.url ${why}: ${maskedUrl(url)}`);
}
