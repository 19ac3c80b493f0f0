import type { PathSegment } from './policy.ts';

/** Which resource a path names: the path, or as many of its first segments as a template has. */

export type ResourceTemplate = {
  readonly text: string;
  readonly segments: readonly ResourceSegment[];
};

export type ResourceSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string };

export type CompiledResource =
  | { readonly kind: 'ok'; readonly template: ResourceTemplate }
  | { readonly kind: 'fault'; readonly message: string };

const NAME = /^\{([A-Za-z][A-Za-z0-9_-]{0,31})\}$/;

/** `/documents/{id}`: one segment for each name. */
export function compileResource(text: string): CompiledResource {
  if (!text.startsWith('/')) return { kind: 'fault', message: 'must begin with "/"' };
  const segments: ResourceSegment[] = [];
  for (const part of text.slice(1).split('/')) {
    const name = NAME.exec(part)?.[1];
    if (name !== undefined) segments.push({ kind: 'name', name });
    else if (/^[A-Za-z0-9\-._~!$&'()+,;=:@]+$/.test(part) && part !== '.' && part !== '..')
      segments.push({ kind: 'literal', text: part });
    else
      return {
        kind: 'fault',
        message: `"${part}" is neither a plain segment of a path nor a name in braces that stands for a whole one, such as {id}`,
      };
  }
  return { kind: 'ok', template: { text, segments } };
}

/** Whether every path that the pattern takes begins as the template says, so that none is without a resource. */
export function covers({ segments }: ResourceTemplate, pattern: readonly PathSegment[] | null): 'yes' | 'no' {
  const fits = segments.every((segment, i) => {
    const wanted = pattern?.[i];
    if (wanted === undefined || wanted.kind === 'rest') return false;
    return segment.kind === 'name' || (wanted.kind === 'literal' && wanted.text === segment.text);
  });
  return fits ? 'yes' : 'no';
}

/** `path` fits the template. Two spellings of one path are one resource (RFC 3986 section 6.2.2). */
export function resourceOf(template: ResourceTemplate | null, path: string): string {
  return normalPath(template === null ? path : firstSegments(path, template.segments.length));
}

function firstSegments(path: string, count: number): string {
  let end = 0;
  for (let i = 0; i < count && end !== -1; i++) end = path.indexOf('/', end + 1);
  return end === -1 ? path : path.slice(0, end);
}

/** Section 6.2.2.2: unreserved characters need no escape. Section 6.2.2.1: hexadecimal digits have no case. */
function normalPath(path: string): string {
  if (!path.includes('%')) return path;
  return path.replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /^[A-Za-z0-9\-._~]$/.test(character) ? character : escaped.toUpperCase();
  });
}
