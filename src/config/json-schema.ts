// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
import { z } from 'zod';
import { configSchema } from './schema.ts';

/** JSON Schema (draft 2020-12) of the file as it is written, and the table of its fields that the reference shows. */

export type JsonSchema = z.core.JSONSchema.BaseSchema;

let made: JsonSchema | null = null;

function configJsonSchema(): JsonSchema {
  made ??= z.toJSONSchema(configSchema, { io: 'input' });
  return made;
}

/** For editors: wherever a scalar may stand, `${NAME}` may. */
export function editorJsonSchema(): JsonSchema {
  const schema = withVariables(configJsonSchema());
  return {
    ...schema,
    $defs: {
      variable: {
        description: 'Taken from a variable: ${NAME} or ${NAME:-default}.',
        type: 'string',
        pattern: '\\$\\{',
      },
    },
  };
}

function withVariables(schema: JsonSchema): JsonSchema {
  const out: JsonSchema = { ...schema };
  if (schema.properties !== undefined)
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, child]) => [name, inner(child)]),
    );
  if (schema.items !== undefined && !Array.isArray(schema.items)) out.items = inner(schema.items);
  if (schema.additionalProperties !== undefined)
    out.additionalProperties = inner(schema.additionalProperties);
  if (schema.anyOf !== undefined) out.anyOf = partsOf(schema).map(withVariables);
  const bound =
    schema.type === 'integer' ||
    schema.type === 'boolean' ||
    (schema.type === 'string' && (schema.enum !== undefined || schema.pattern !== undefined));
  if (!bound) return out;
  const { description, default: byDefault, ...rest } = out;
  return {
    ...(description === undefined ? {} : { description }),
    ...(byDefault === undefined ? {} : { default: byDefault }),
    anyOf: [rest, { $ref: '#/$defs/variable' }],
  };
}

function inner(schema: boolean | JsonSchema): boolean | JsonSchema {
  return typeof schema === 'boolean' ? schema : withVariables(schema);
}

export type Field = {
  /** `routes[].key.sources[].header`. */
  readonly path: string;
  /** The path without the last name; empty at the top. */
  readonly section: string;
  readonly name: string;
  /** The kind of value in words. */
  readonly type: string;
  /** `group`: has fields of its own below it. */
  readonly kind: 'value' | 'group';
  readonly presence: 'required' | 'optional';
  /** As it would be written in the file, in JSON; null where there is none. */
  readonly byDefault: string | null;
  readonly description: string;
};

let fields: readonly Field[] | null = null;

/** Every field of the file, in the order of the schema. */
export function configFields(): readonly Field[] {
  fields ??= fieldsBelow(configJsonSchema(), '');
  return fields;
}

/** The names that may stand at a path such as `routes[].key`. */
export function knownNames(path: string): readonly string[] {
  return configFields()
    .filter((field) => field.section === path)
    .map((field) => field.name);
}

function fieldsBelow(schema: JsonSchema, section: string): readonly Field[] {
  const found: Field[] = [];
  for (const part of partsOf(schema)) {
    for (const [name, child] of Object.entries(part.properties ?? {})) {
      if (typeof child === 'boolean') continue;
      const path = section === '' ? name : `${section}.${name}`;
      const below = fieldsBelow(child, path);
      // In one of several forms a field is needed only by that form.
      const presence = part === schema && part.required?.includes(name) === true ? 'required' : 'optional';
      const kind = below.length > 0 ? 'group' : 'value';
      found.push(
        {
          path,
          section,
          name,
          type: typeOf(child),
          kind,
          presence,
          byDefault: defaultOf(child, below),
          description: child.description ?? '',
        },
        ...below,
      );
    }
    if (part.items !== undefined && typeof part.items !== 'boolean' && !Array.isArray(part.items))
      found.push(...fieldsBelow(part.items, `${section}[]`));
  }
  return found;
}

function partsOf(schema: JsonSchema): readonly JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.filter((part) => typeof part !== 'boolean');
}

/** `{}` only says that the fields below have defaults. */
function defaultOf(schema: JsonSchema, below: readonly Field[]): string | null {
  const value = schema.default;
  if (value === undefined || value === null) return null;
  const text = JSON.stringify(value);
  return text === '{}' && below.length > 0 ? null : text;
}

function typeOf(schema: JsonSchema): string {
  const named = schema['x-type'];
  if (typeof named === 'string') return named;
  if (schema.anyOf !== undefined) {
    return partsOf(schema)
      .filter((part) => part.type !== 'null')
      .map(typeOf)
      .join(', or ');
  }
  if (schema.type === 'array')
    return typeof schema.items === 'object' && !Array.isArray(schema.items)
      ? `list of ${typeOf(schema.items)}`
      : 'list';
  return 'section';
}
