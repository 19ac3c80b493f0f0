import { unreachable } from '../core/unreachable.ts';
import { knownNames } from './json-schema.ts';
import { type ConfigMap, type ConfigNode, type Origin, originText, type Scalar } from './tree.ts';
import { escapeVariables } from './variables.ts';

/**
 * The effective configuration as YAML, each value with where it comes from. It loads again; secrets and passwords are
 * masked, except that a secret that is nothing but variables is shown as those.
 */
export function printConfig(effective: ConfigMap): string {
  const lines: string[] = [];
  printEntries(effective, [], '', lines);
  return `${lines.join('\n')}\n`;
}

const MASK = '********';

function printEntries(map: ConfigMap, path: readonly string[], indent: string, lines: string[]): void {
  // As the reference lists them, whoever wrote them in which order.
  const known = knownNames(path.join('.'));
  const rank = (name: string): number => (known.includes(name) ? known.indexOf(name) : known.length);
  for (const [name, entry] of [...map.entries].sort(([a], [b]) => rank(a) - rank(b)))
    printEntry(name, entry.node, [...path, name], indent, lines);
}

function printEntry(
  name: string,
  node: ConfigNode,
  path: readonly string[],
  indent: string,
  lines: string[],
): void {
  const head = `${indent}${quoted(name)}:`;
  const inline = inlineOf(node, path);
  if (inline !== null) lines.push(`${head} ${inline}  # ${originText(originOf(node))}`);
  else if (node.kind === 'map') {
    lines.push(head);
    printEntries(node, path, `${indent}  `, lines);
  } else if (node.kind === 'list') {
    lines.push(head);
    for (const item of node.items) printItem(item, path, `${indent}  `, lines);
  }
}

/** A section in a list begins on the line of its dash. */
function printItem(item: ConfigNode, list: readonly string[], indent: string, lines: string[]): void {
  const path = [...list.slice(0, -1), `${list.at(-1) ?? ''}[]`];
  const inline = inlineOf(item, path);
  if (inline !== null || item.kind !== 'map') {
    lines.push(`${indent}- ${inline ?? 'null'}  # ${originText(originOf(item))}`);
    return;
  }
  const own: string[] = [];
  printEntries(item, path, `${indent}  `, own);
  for (const [index, line] of own.entries())
    lines.push(index === 0 ? `${indent}- ${line.slice(indent.length + 2)}` : line);
}

/** On one line: scalars, short lists of scalars, maps of one scalar in a list, and whatever is empty. */
function inlineOf(node: ConfigNode, path: readonly string[]): string | null {
  switch (node.kind) {
    case 'scalar':
      return scalarText(node, path);
    case 'list': {
      if (
        node.items.some(
          ({ kind, origin }) => kind !== 'scalar' || originText(origin) !== originText(originOf(node)),
        )
      )
        return null;
      return `[${node.items.map((item) => inlineOf(item, path)).join(', ')}]`;
    }
    case 'map':
      return node.entries.size === 0 ? '{}' : null;
    default:
      return unreachable(node);
  }
}

/** That of a list's items, where it has any: they are what came from somewhere. */
function originOf(node: ConfigNode): Origin {
  return node.kind === 'list' ? (node.items[0]?.origin ?? node.origin) : node.origin;
}

function scalarText(node: Extract<ConfigNode, { kind: 'scalar' }>, path: readonly string[]): string {
  const isSecret =
    path[0]?.startsWith('secrets') === true ||
    (path[0] === 'encryption' && path.at(-1) === 'key') ||
    (path.at(-2) === 'message' && path.at(-1)?.startsWith('secrets') === true) ||
    (path[0] === 'admin' && path[1] === 'tokens');
  if (isSecret) return quoted(node.written !== null && isOnlyVariables(node.written) ? node.written : MASK);
  if (path.join('.') === 'store.sentinel.password')
    return quoted(node.written !== null && isOnlyVariables(node.written) ? node.written : MASK);
  if (isProbeCredential(path))
    return quoted(node.written !== null && !node.written.includes(':-') ? node.written : MASK);
  if (path[0] === 'store' && path[1] === 'url') return quoted(maskPassword(escapedOf(node.value)));
  return quoted(typeof node.value === 'string' ? escapedOf(node.value) : node.value);
}

/** What a probe shows the backend. Of these fields alone it is known that they are no secret. */
const OPEN_FIELDS = ['accept', 'accept-language', 'cache-control', 'content-type', 'host', 'user-agent'];

function isProbeCredential(path: readonly string[]): boolean {
  const [section, field, name] = path.slice(-3);
  return section === 'request' && field === 'headers' && !OPEN_FIELDS.includes((name ?? '').toLowerCase());
}

/** A default inside `${…}` would be a secret in clear. */
function isOnlyVariables(written: string): boolean {
  return /^(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+$/.test(written);
}

function escapedOf(value: Scalar): string {
  return escapeVariables(String(value));
}

/** Both places where the URL of a store can carry one: before the @, and in the query. */
function maskPassword(url: string): string {
  if (!/^(?:rediss?|postgres(?:ql)?):/.test(url)) return url;
  const masked = url.replace(/^([a-z]+:\/\/)([^/?#]*)@/, (_, scheme: string, user: string) => {
    const colon = user.indexOf(':');
    return `${scheme}${colon === -1 ? user : user.slice(0, colon)}${colon === -1 ? '' : `:${MASK}`}@`;
  });
  return masked.replace(/([?&](?:password|auth)=)[^&#]*/gi, `$1${MASK}`);
}

/** Plain where YAML reads it back as the same text; else in double quotes, whose escapes JSON's are a part of. */
function quoted(value: Scalar): string {
  if (typeof value !== 'string') return String(value);
  const isPlain =
    /^[A-Za-z_/.][A-Za-z0-9_/.@-]*$/.test(value) ||
    /^[0-9]+(?:ms|s|m|h|d|B|kB|KiB|MB|MiB|GB|GiB|xx)$/.test(value) ||
    /^[1-5][0-9]{2}$/.test(value);
  const isWord = /^(?:null|true|false|\.nan|[-+]?\.inf|\.[0-9]+)$/i.test(value);
  return isPlain && !isWord
    ? value
    : JSON.stringify(value).replace(
        /[\u007f-\u009f\u2028\u2029\ufeff]/g,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
}
