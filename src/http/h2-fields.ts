/** Fields of a connection, which HTTP/2 has no place for (RFC 9113 section 8.2.2); of `te` only `trailers` in a request. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);
