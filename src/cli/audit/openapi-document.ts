import { parsePointer } from '../../core/json-pointer.ts';

/** The parts of an OpenAPI 3 document that say something of keys; read with distrust, since anybody writes them. */

export type Members = Readonly<Record<string, unknown>>;

export type ApiOperation = {
  readonly method: 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** As the document has it. */
  readonly path: string;
  readonly operation: Members;
  /** Of the path, then those of the operation. */
  readonly parameters: readonly Members[];
};

export type ApiDocument = {
  readonly version: string;
  readonly title: string;
  /** The path of the first server, without a slash at its end. */
  readonly basePath: string;
  readonly operations: readonly ApiOperation[];
  readonly leftOut: readonly { readonly path: string; readonly why: string }[];
  /** Follows references within the document. */
  readonly resolve: (value: unknown) => Members;
  readonly security: unknown;
  readonly securitySchemes: Members;
};

const METHODS = ['POST', 'PATCH', 'PUT', 'DELETE'] as const;
const PATHS_MAX = 10_000;
/** A reference to a reference; a circle ends too. */
const REFERENCES_MAX = 20;

export function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** A string says why it is none. */
export function readApi(value: unknown): ApiDocument | string {
  const root = members(value);
  const { openapi } = root;
  if (typeof root.swagger === 'string' || typeof root.swagger === 'number')
    return 'Swagger 2.0; convert it to OpenAPI 3 first';
  if (typeof openapi !== 'string' || !/^3\.\d+(?:\.\d+)?$/.test(openapi))
    return 'no OpenAPI 3 document: it has no member "openapi" such as 3.1.0';
  const resolve = (from: unknown): Members => resolved(root, from);
  const paths = Object.entries(members(root.paths));
  if (paths.length > PATHS_MAX) return `it has ${paths.length} paths, and ${PATHS_MAX} are the most`;
  const operations: ApiOperation[] = [];
  const leftOut: { path: string; why: string }[] = [];
  for (const [path, given] of paths) {
    const item = resolve(given);
    if ('$ref' in item) {
      leftOut.push({ path, why: 'it is in another file' });
      continue;
    }
    for (const method of METHODS) {
      const operation = item[method.toLowerCase()];
      if (operation === undefined) continue;
      const own = members(operation);
      const parameters = [...listOf(item.parameters), ...listOf(own.parameters)].map(resolve);
      operations.push({ method, path, operation: own, parameters });
    }
  }
  const info = members(root.info);
  return {
    version: openapi,
    title: typeof info.title === 'string' ? info.title : '',
    basePath: basePathOf(root.servers),
    ...{ operations, leftOut, resolve },
    security: root.security,
    securitySchemes: members(members(root.components).securitySchemes),
  };
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What cannot be followed stays as it is, with its `$ref`. */
function resolved(root: Members, from: unknown): Members {
  let value = members(from);
  for (let n = 0; n < REFERENCES_MAX && typeof value.$ref === 'string'; n += 1) {
    const target = atFragment(root, value.$ref);
    if (target === undefined) break;
    value = members(target);
  }
  return value;
}

function atFragment(root: Members, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined;
  let pointer: string;
  try {
    pointer = decodeURIComponent(reference.slice(1));
  } catch {
    return undefined;
  }
  const parsed = parsePointer(pointer);
  if (parsed.kind !== 'ok') return undefined;
  let value: unknown = root;
  for (const token of parsed.tokens) {
    // Its own alone: a reference may name __proto__.
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
    value = Reflect.get(value, token);
  }
  return value;
}

function basePathOf(servers: unknown): string {
  const server = members(listOf(servers)[0]);
  if (typeof server.url !== 'string') return '';
  const variables = members(server.variables);
  const url = server.url.replace(/\{([^{}]*)\}/g, (_, name: string) => {
    const { default: value } = members(variables[name]);
    return typeof value === 'string' ? value : '';
  });
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? url.replace(/[?#].*$/, '');
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' || trimmed.startsWith('/') ? trimmed : `/${trimmed}`;
}
