/** The IANA HTTP method registry as data (RFC 9110 section 16.1). */

export type Method = {
  /** Case-sensitive (RFC 9110 section 9.1). */
  readonly name: string;
  readonly safe: 'safe' | 'unsafe';
  readonly idempotent: 'idempotent' | 'not-idempotent';
  readonly source: string;
};

const KINDS = {
  safe: { safe: 'safe', idempotent: 'idempotent' },
  idempotent: { safe: 'unsafe', idempotent: 'idempotent' },
  neither: { safe: 'unsafe', idempotent: 'not-idempotent' },
} as const;

function row(name: string, kind: keyof typeof KINDS, source: string): Method {
  return { name, ...KINDS[kind], source };
}

export const METHODS: readonly Method[] = [
  // Reserved, so that no method is ever called so.
  row('*', 'neither', 'RFC 9110 section 18.2'),
  row('ACL', 'idempotent', 'RFC 3744 section 8.1'),
  row('BASELINE-CONTROL', 'idempotent', 'RFC 3253 section 12.6'),
  row('BIND', 'idempotent', 'RFC 5842 section 4'),
  row('CHECKIN', 'idempotent', 'RFC 3253 section 4.4'),
  row('CHECKOUT', 'idempotent', 'RFC 3253 section 4.3'),
  row('CONNECT', 'neither', 'RFC 9110 section 9.3.6'),
  row('COPY', 'idempotent', 'RFC 4918 section 9.8'),
  row('DELETE', 'idempotent', 'RFC 9110 section 9.3.5'),
  row('GET', 'safe', 'RFC 9110 section 9.3.1'),
  row('HEAD', 'safe', 'RFC 9110 section 9.3.2'),
  row('LABEL', 'idempotent', 'RFC 3253 section 8.2'),
  row('LINK', 'idempotent', 'RFC 2068 section 19.6.1.2'),
  row('LOCK', 'neither', 'RFC 4918 section 9.10'),
  row('MERGE', 'idempotent', 'RFC 3253 section 11.2'),
  row('MKACTIVITY', 'idempotent', 'RFC 3253 section 13.5'),
  row('MKCALENDAR', 'idempotent', 'RFC 4791 section 5.3.1'),
  row('MKCOL', 'idempotent', 'RFC 4918 section 9.3'),
  row('MKREDIRECTREF', 'idempotent', 'RFC 4437 section 6'),
  row('MKWORKSPACE', 'idempotent', 'RFC 3253 section 6.3'),
  row('MOVE', 'idempotent', 'RFC 4918 section 9.9'),
  row('OPTIONS', 'safe', 'RFC 9110 section 9.3.7'),
  row('ORDERPATCH', 'idempotent', 'RFC 3648 section 7'),
  row('PATCH', 'neither', 'RFC 5789 section 2'),
  row('POST', 'neither', 'RFC 9110 section 9.3.3'),
  row('PRI', 'safe', 'RFC 9113 section 3.4'),
  row('PROPFIND', 'safe', 'RFC 4918 section 9.1'),
  row('PROPPATCH', 'idempotent', 'RFC 4918 section 9.2'),
  row('PUT', 'idempotent', 'RFC 9110 section 9.3.4'),
  row('QUERY', 'safe', 'RFC 10008 section 2'),
  row('REBIND', 'idempotent', 'RFC 5842 section 6'),
  row('REPORT', 'safe', 'RFC 3253 section 3.6'),
  row('SEARCH', 'safe', 'RFC 5323 section 2'),
  row('TRACE', 'safe', 'RFC 9110 section 9.3.8'),
  row('UNBIND', 'idempotent', 'RFC 5842 section 5'),
  row('UNCHECKOUT', 'idempotent', 'RFC 3253 section 4.5'),
  row('UNLINK', 'idempotent', 'RFC 2068 section 19.6.1.3'),
  row('UNLOCK', 'idempotent', 'RFC 4918 section 9.11'),
  row('UPDATE', 'idempotent', 'RFC 3253 section 7.1'),
  row('UPDATEREDIRECTREF', 'idempotent', 'RFC 4437 section 7'),
  row('VERSION-CONTROL', 'idempotent', 'RFC 3253 section 3.5'),
];
