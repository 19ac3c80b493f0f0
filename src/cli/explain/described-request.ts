import type { RequestHead } from '../../core/wire.ts';

/** A request as it is described on a command line, in the manner of curl. */
export type DescribedRequest = { readonly head: RequestHead; readonly body: Uint8Array };

export type Described =
  | { readonly kind: 'ok'; readonly request: DescribedRequest }
  | { readonly kind: 'fault'; readonly message: string };

export type DescribedParts = {
  readonly method: string | null;
  /** A path, or a whole URL whose authority becomes Host. */
  readonly target: string;
  /** `Name: value`, in order. */
  readonly fields: readonly string[];
  readonly body: Uint8Array | null;
  /** Host where neither a field nor the target names one. */
  readonly host: string;
};

/** Only the fields that are named are there; Host is added because no request is without. */
export function describeRequest(parts: DescribedParts): Described {
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(parts.target);
  const rest = absolute === null ? parts.target : (absolute[2] ?? '');
  const target = rest.startsWith('/') ? rest : absolute === null ? null : `/${rest}`;
  if (target === null)
    return { kind: 'fault', message: `"${parts.target}" is neither a path such as /v1/pay nor a URL` };
  const rawHeaders: string[] = [];
  for (const field of parts.fields) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s.exec(field);
    if (match?.[1] === undefined || match[2] === undefined)
      return { kind: 'fault', message: `-H "${field}" is not of the form 'Name: value'` };
    if (/[\r\n\0]/.test(match[2]))
      return { kind: 'fault', message: `the value of -H "${match[1]}" has a line break or NUL` };
    // Field values are bytes; what a terminal gives is UTF-8.
    rawHeaders.push(match[1], Buffer.from(match[2], 'utf8').toString('latin1'));
  }
  const named = rawHeaders.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'host');
  if (!named) rawHeaders.unshift('Host', absolute?.[1] ?? parts.host);
  const method = parts.method ?? (parts.body === null ? 'GET' : 'POST');
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method))
    return { kind: 'fault', message: `"${method}" is no method` };
  return {
    kind: 'ok',
    request: {
      head: { method, target, rawHeaders, httpVersion: '1.1' },
      body: parts.body ?? new Uint8Array(),
    },
  };
}
