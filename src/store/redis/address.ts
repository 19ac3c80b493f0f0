/** Where servers are. Read here, not by the driver, which lets the query of a URL override every option, resends included. */

export type Address = { readonly host: string; readonly port: number };

/** What `store.url` says: one address to begin with, and what all servers behind it are spoken to with. */
export type RedisUrl = {
  readonly address: Address;
  readonly db: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly transport: 'plain' | 'tls';
};

const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26_379;

export function parseRedisUrl(url: string, kind: 'server' | 'sentinel' = 'server'): RedisUrl {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (
    parsed === null ||
    (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') ||
    parsed.hostname === ''
  ) {
    throw new Error(`store.url must be redis://host:port/db or rediss://host:port/db, not ${maskedUrl(url)}`);
  }
  if (parsed.search !== '' || parsed.hash !== '') {
    throw new Error(`store.url takes no query: ${maskedUrl(url)}`);
  }
  const db = /^\/?$/.test(parsed.pathname)
    ? 0
    : Number(/^\/(\d{1,4})$/.exec(parsed.pathname)?.[1] ?? Number.NaN);
  if (Number.isNaN(db)) throw new Error(`store.url must end in the number of a database: ${maskedUrl(url)}`);
  const defaultPort = kind === 'sentinel' ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT;
  return {
    address: {
      host: withoutBrackets(parsed.hostname),
      port: parsed.port === '' ? defaultPort : Number(parsed.port),
    },
    db,
    username: parsed.username === '' ? null : decodeURIComponent(parsed.username),
    password: parsed.password === '' ? null : decodeURIComponent(parsed.password),
    transport: parsed.protocol === 'rediss:' ? 'tls' : 'plain',
  };
}

/** `host:port` or `[::1]:port`; as Redis writes it in a redirection, also `::1:port`. Null for anything else. */
export function parseAddress(text: string): Address | null {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) return null;
  return { host: withoutBrackets(text.slice(0, colon)), port };
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The address without its password, for messages. */
export function maskedUrl(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  return parsed.href;
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
