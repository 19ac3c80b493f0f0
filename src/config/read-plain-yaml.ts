import { parseDocument } from 'yaml';

/** A document of others, YAML or JSON, as plain values: for what is read and not obeyed. */

export type PlainYaml =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'fault'; readonly message: string };

/** The parser of YAML takes a microsecond and more for each sign; that of JSON is a hundred times faster. */
const YAML_BYTES_MAX = 8 * 1024 * 1024;
const ALIASES_MAX = 100;

export function readPlainYaml(text: string): PlainYaml {
  if (/^\s*[{[]/.test(text)) {
    try {
      return { kind: 'value', value: JSON.parse(text) };
    } catch {
      // YAML in flow form.
    }
  }
  if (Buffer.byteLength(text) > YAML_BYTES_MAX)
    return {
      kind: 'fault',
      message: `YAML of more than ${YAML_BYTES_MAX / 1024 / 1024} MiB; write it as JSON`,
    };
  try {
    const document = parseDocument(text, {
      // Every key would be compared with every other.
      uniqueKeys: false,
      merge: false,
      schema: 'core',
      prettyErrors: true,
      logLevel: 'error',
    });
    const [error] = document.errors;
    if (error !== undefined) return { kind: 'fault', message: error.message.split('\n')[0] ?? 'no YAML' };
    return { kind: 'value', value: document.toJS({ maxAliasCount: ALIASES_MAX }) };
  } catch (error) {
    // Too many aliases, or nested deeper than the stack.
    return { kind: 'fault', message: error instanceof Error ? error.message : 'no YAML' };
  }
}
