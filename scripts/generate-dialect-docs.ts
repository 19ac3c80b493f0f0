import { loadConfigText } from '../src/config/load.ts';
import type { Profile } from '../src/config/profiles/profile.ts';
import { PROFILE_NAMES, type ProfileName, profileOf } from '../src/config/profiles.ts';
import type { ConfigData } from '../src/config/tree.ts';
import { KEY_PROBLEMS } from '../src/core/dialect.ts';
import { DEFAULT_GRPC_RULES } from '../src/core/grpc.ts';
import type { RoutePolicy } from '../src/core/policy.ts';
import { GRPC_STATUS_OF } from '../src/problems/grpc.ts';
import { renderProblem } from '../src/problems/problem.ts';
import { PROBLEM_CODES } from '../src/problems/registry.ts';

/** docs/dialects.md from the profiles. */

export function renderDialectDocs(): string {
  return `<!-- Made by scripts/generate-dialect-docs.ts from src/config/profiles/. -->
# Dialects

Many APIs had idempotency before there was a draft of a standard, each in its own way. \`profile: NAME\` in a route (or
in \`defaults\`) gives a route the values by which clients of such an API find what they know: where the key is, whose
it is, how long it holds, which status and which body a refusal has.

\`\`\`yaml
routes:
  - name: charges
    match: { path: /v1/** }
    profile: stripe
    retain: 48h # the route has the last word on every value
\`\`\`

A profile is nothing but values. What a route says itself comes first, then its profile, then \`defaults\`, then the
profile of \`defaults\`, then the built-in defaults. A route that names a profile, or \`none\`, takes nothing from the
profile of \`defaults\`: half of two dialects would be neither. \`onceward config print\` shows every value and which
profile it comes from; \`onceward explain\` shows what becomes of a request.

A refusal in the words of another API has \`Onceward-Problem\` with the code of [problems.md](problems.md), and keeps
\`Retry-After\`, \`x-should-retry\`, \`stripe-should-retry\` and \`Link\`. An outcome that is not known stays a refusal
that must not be tried again by itself, in every dialect. Requests that match no route get RFC 9457.

| profile | for | key | mismatch | in flight | kept for |
|---|---|---|---|---|---|
${PROFILE_NAMES.map(row).join('\n')}

${PROFILE_NAMES.map(section).join('\n')}`;
}

/** As it is resolved: a table that says what a profile comes to, not what it writes. */
function policyOf(name: ProfileName): RoutePolicy {
  const loaded = loadConfigText(
    `http2: prior-knowledge\nupstream: { url: http://127.0.0.1:3000, protocol: http2 }\nroutes: [{ name: r, profile: ${name} }]\n`,
    'docs.yaml',
    {},
  );
  const policy = loaded.kind === 'ok' ? loaded.config.routes[0] : undefined;
  if (policy === undefined) throw new Error(`the profile ${name} does not load`);
  return policy;
}

function row(name: ProfileName): string {
  const policy = policyOf(name);
  const status = (code: 'key-reused' | 'in-flight'): number =>
    renderProblem({ code, instance: '', docsUrl: null, dialect: policy.dialect }).status;
  const places = policy.key.sources.map((source) => {
    switch (source.kind) {
      case 'header':
        return `\`${source.name}\``;
      case 'query':
        return `\`?${source.name}\``;
      case 'json':
        return `body \`${source.pointer}\``;
      case 'form':
        return `form \`${source.name}\``;
      default:
        return '';
    }
  });
  const inFlight = policy.inFlight.kind === 'join' ? 'waits, then ' : '';
  const hours = policy.retainMs / 3_600_000;
  return `| [\`${name}\`](#${name}) | ${profileOf(name).about} | ${places.join(', ')} | ${status('key-reused')} | ${inFlight}${status('in-flight')} | ${hours} h |`;
}

function section(name: ProfileName): string {
  const profile: Profile = profileOf(name);
  const differs =
    profile.differs.length === 0
      ? ''
      : `\nOtherwise than there:\n\n${profile.differs.map((text) => `- ${text}`).join('\n')}\n`;
  return `## ${name}

${profile.about} Source: ${profile.source}.

\`\`\`yaml
${yamlLines(profile.values, '').join('\n')}
\`\`\`
${differs}${name === 'grpc' ? grpcTables() : examples(name)}`;
}

/** By what the calls of gRPC are judged, and how ours are told. */
function grpcTables(): string {
  const rules = DEFAULT_GRPC_RULES.map(
    ({ status, name, action, why }) => `| ${status} | \`${name}\` | \`${action}\` | ${why} |`,
  );
  const told = DEFAULT_GRPC_RULES.flatMap(({ status, name }) => {
    const codes = PROBLEM_CODES.filter((code) => GRPC_STATUS_OF[code] === status);
    return codes.length === 0 ? [] : [`| \`${name}\` | ${codes.map((code) => `\`${code}\``).join(', ')} |`];
  });
  return `
What a status does to the key (\`dialect.grpc.statuses\` changes it):

| status | name | key | why |
|---|---|---|---|
${rules.join('\n')}

As what Onceward answers by itself, with the code in the metadata \`onceward-problem\`, and \`grpc-retry-pushback-ms\` for the client's own retries (-1: none):

| status | problems |
|---|---|
${told.join('\n')}
`;
}

/** What a client reads where a key is refused; left out where it is the problem of problems.md. */
function examples(name: ProfileName): string {
  const { dialect } = policyOf(name);
  if (dialect === null || dialect.errors === 'problem') return '';
  const shown = KEY_PROBLEMS.filter((code) => ['key-reused', 'in-flight', 'outcome-unknown'].includes(code));
  const lines = shown.map((code) => {
    const { status, body } = renderProblem({
      code,
      instance: '3f0d8c52-6b0e-4f55-9d4e-0a8f6e0b7a11',
      docsUrl: null,
      dialect,
      key: '8e03978e-40d5-43e8-bc93-6894a57f9324',
      detail: '…',
    });
    return `${code}: ${status} ${body.toString('utf8').trim()}`;
  });
  return `\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n`;
}

function yamlLines(values: { readonly [name: string]: ConfigData }, indent: string): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    isMap(value) && Object.keys(value).length > 1 && indent === ''
      ? [`${indent}${name}:`, ...yamlLines(value, `${indent}  `)]
      : [`${indent}${name}: ${flow(value)}`],
  );
}

function isMap(value: ConfigData): value is { readonly [name: string]: ConfigData } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function flow(value: ConfigData): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (!isMap(value)) return String(value);
  const members = Object.entries(value).map(([name, member]) => `${name}: ${flow(member)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
