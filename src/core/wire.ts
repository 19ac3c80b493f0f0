/**
 * The small types on which the pipeline sees HTTP. `http/` translates node:http and undici into them,
 * so that the wire layer can be replaced without touching a decision.
 */

/** Field lines as received: name, value, name, value …; order, repetition and case kept; bytes as latin1. */
export type RawHeaders = readonly string[];

export type RequestHead = {
  readonly method: string;
  /** The request target as received, origin form (`/path?query`). */
  readonly target: string;
  readonly rawHeaders: RawHeaders;
  /** `1.0`, `1.1`. */
  readonly httpVersion: string;
};

export type ResponseHead = {
  /** 100 to 599. */
  readonly status: number;
  readonly rawHeaders: RawHeaders;
};

/** Whether a field name as received is `nameLower`, which is in lower case. */
export function isField(name: string, nameLower: string): boolean {
  // Stryker disable next-line ConditionalExpression: the length only saves a copy in lower case
  return name.length === nameLower.length && name.toLowerCase() === nameLower;
}

/** The value of the first line of a field, or undefined. `nameLower` in lower case. */
export function firstValue(rawHeaders: RawHeaders, nameLower: string): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (isField(rawHeaders[i] ?? '', nameLower)) return rawHeaders[i + 1];
  }
  return undefined;
}

/** The values of all lines of a field, in order. `nameLower` in lower case. */
export function allValues(rawHeaders: RawHeaders, nameLower: string): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (isField(rawHeaders[i] ?? '', nameLower)) values.push(rawHeaders[i + 1] ?? '');
  }
  return values;
}
