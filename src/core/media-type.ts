/** OWS alone (RFC 9110 section 5.6.3): trim() would take more. Counting, as a pattern would be quadratic. */
export function withoutOuterSpace(value: string): string {
  let from = 0;
  let to = value.length;
  while (isSpace(value.charCodeAt(from))) from += 1;
  while (isSpace(value.charCodeAt(to - 1))) to -= 1;
  return value.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** A media type without its parameters, in lower case. */
export function essenceOf(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return withoutOuterSpace(semicolon === -1 ? contentType : contentType.slice(0, semicolon)).toLowerCase();
}
