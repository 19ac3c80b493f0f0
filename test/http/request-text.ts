/** The bytes of a request, one character each. */
export function requestText(
  method: string,
  target: string,
  headers: readonly (readonly [name: string, value: string])[] = [],
  body: string | null = null,
): string {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: proxy.test',
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  if (body !== null) lines.push(`Content-Length: ${body.length}`);
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

/** A keyed POST of one byte, unless told otherwise. */
export function keyedPost(target: string, key = 'k1', body = 'x'): string {
  return requestText('POST', target, [['Idempotency-Key', key]], body);
}
