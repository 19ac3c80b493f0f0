import { escapeVariables } from '../../config/variables.ts';
import type { KeyHint, ScopeHint } from './openapi-operations.ts';
import type { Proposal, ProposedRoute } from './openapi-routes.ts';

/** A proposal as a configuration file, with what it rests on in comments. */

export type YamlParts = {
  readonly file: string;
  readonly version: string;
  readonly title: string;
  readonly upstream: string;
  readonly proposal: Proposal;
};

export function proposalYaml({ file, version, title, upstream, proposal }: YamlParts): string {
  const { routes, passed, leftOut } = proposal;
  const unsaid = routes.some(({ scope }) => scope.kind === 'unsaid');
  return [
    comment(
      `Proposed by "onceward audit --openapi" from ${file} (OpenAPI ${version}, ${title}). Read it before you use it.`,
    ),
    comment(
      'It observes and changes nothing: "onceward report" tells what mode: enforce would do (docs/adopting.md).',
    ),
    ...(unsaid
      ? [
          comment(
            'Where the document names no credentials, the scope is the default: a hash of Authorization.',
          ),
        ]
      : []),
    `upstream: { url: ${quoted(upstream)} }`,
    'store: lmdb:./onceward-data',
    'defaults: { mode: observe }',
    ...(routes.length === 0 ? [] : ['routes:', ...routes.flatMap(routeLines)]),
    ...(passed.length === 0
      ? []
      : [
          comment(
            'Passed on without a record, idempotent by definition; whether they are in fact: onceward audit FILE.',
          ),
          ...passed.map((what) => comment(`  ${what}`)),
        ]),
    ...(leftOut.length === 0
      ? []
      : [
          comment('Left out: for these holds what another route or defaults say.'),
          ...leftOut.map(({ what, why }) => comment(`  ${what}: ${why}`)),
        ]),
    '',
  ].join('\n');
}

function routeLines({
  name,
  path,
  methods,
  key,
  scope,
  idempotentMethods,
}: ProposedRoute): readonly string[] {
  return [
    `  - name: ${quoted(name)}`,
    `    match: { path: ${quoted(path)}, methods: [${methods.join(', ')}] }`,
    ...keyLines(key),
    ...(idempotentMethods === 'keyed' ? ['    keyIdempotentMethods: true'] : []),
    ...scopeLines(scope),
  ];
}

function keyLines(key: KeyHint): readonly string[] {
  switch (key.kind) {
    case 'header':
      return [
        `    key: { sources: [{ header: ${quoted(key.name)} }], required: ${key.presence === 'required'} }`,
      ];
    case 'json':
      return [
        `    key: { sources: [{ json: ${quoted(key.pointer)} }], required: ${key.presence === 'required'} }`,
      ];
    case 'none':
      return ['    key: { sources: [] } # it says x-idempotent: true; never keyed'];
    default:
      // The document says nothing: demanding a key would break every client there is.
      return ['    key: { required: false } # the document names no key; clients may send Idempotency-Key'];
  }
}

function scopeLines(scope: ScopeHint): readonly string[] {
  switch (scope.kind) {
    case 'headers':
      return scope.names.length === 1 && scope.names[0] === 'authorization'
        ? []
        : [`    scope: { headers: [${scope.names.map(quoted).join(', ')}] }`];
    case 'open':
      return ['    scope: { anonymous: allow } # open to all: whoever knows a key gets its answer'];
    case 'elsewhere':
      return [
        '    # Its credentials are in no header field: name in scope.headers what says whose key it is.',
      ];
    default:
      return [];
  }
}

/** JSON is YAML; and a variable of the environment is not meant. */
function quoted(text: string): string {
  return escapeVariables(JSON.stringify(text));
}

/** Whatever the document has, it ends no comment. */
function comment(text: string): string {
  return `# ${text.replace(/[^\x20-\x7e]+/g, '?')}`.trimEnd();
}
