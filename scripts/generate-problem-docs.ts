import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { renderProblem } from '../src/problems/problem.ts';
import { PROBLEM_CODES, type ProblemType, problemType } from '../src/problems/registry.ts';

/** `docs/problems.md` from the table of problems. `--write` writes it; else exit 1 when it is not up to date. */

const FILE = join(import.meta.dirname, '../docs/problems.md');

export function renderProblemDocs(): string {
  const types = PROBLEM_CODES.map(problemType);
  return `<!-- Made by scripts/generate-problem-docs.ts from src/problems/registry.ts. -->
# Problems

What Onceward answers by itself is a problem of RFC 9457, \`application/problem+json\`, or the same in the words of the
route's dialect ([dialects.md](dialects.md)), with the code in \`Onceward-Problem\`. Everything else comes from the backend. A problem never carries \`Idempotency-Status\`.

| member | meaning |
|---|---|
| \`type\` | \`urn:onceward:problem:<code>\` |
| \`title\`, \`status\`, \`detail\` | RFC 9457; \`status\` is the HTTP status, \`detail\` tells what to do |
| \`instance\` | \`urn:uuid:…\`, names this occurrence |
| \`code\` | the code below |
| \`retryable\` | whether the same request may be sent again as it is |
| \`sameKey\` | whether a retry keeps its key; left out where the key does not matter |
| \`executed\` | \`no\`, \`yes\` or \`unknown\`: what is known of the operation behind the key, not of this attempt |
| \`retryAfterMs\` | how long to wait, where the problem is retryable |
| \`expectedSequence\` | the number that the producer has to send next; with the problems of sequences |
| \`idempotency_key\` | the key of the request, where it was readable |
| \`error\` | \`{type, code, message}\`: the same once more, for clients that look for this member before they look at the status |

\`Retry-After\` is \`retryAfterMs\` in whole seconds, rounded up. \`x-should-retry\` and \`stripe-should-retry\` say what
\`retryable\` says, for client libraries that read them. \`Link: …; rel="describedby"\` leads to this page where
\`docsUrl\` is configured.

A request without a key is not protected by a record: after \`upstream-failed\` and \`upstream-timeout\` it gets
\`retryable: false\`.

| code | status | retryable | sameKey | executed | Retry-After |
|---|---|---|---|---|---|
${types.map(row).join('\n')}

${types.map(section).join('\n')}
## Example

\`\`\`http
${example()}
\`\`\`
`;
}

function row(type: ProblemType): string {
  const sameKey = type.sameKey ?? '–';
  return `| [\`${type.code}\`](#${type.code}) | ${type.status} | ${type.retryable} | ${sameKey} | ${type.executed ?? '–'} | ${delay(type)} |`;
}

function delay(type: ProblemType): string {
  return type.retryAfterMs === null ? '–' : `${type.retryAfterMs / 1000} s`;
}

function section(type: ProblemType): string {
  return `## ${type.code}

${type.status} ${type.title}

${type.detail}

For a client: ${advice(type)}

Source: ${type.clause}
`;
}

/** The same three members that a client reads, in words. */
function advice(type: ProblemType): string {
  if (type.retryable)
    return 'send the same request again with the same key, after the time in `Retry-After`.';
  if (type.code.startsWith('sequence-') || type.code.startsWith('producer-'))
    return 'do what is said above; another number would be another operation.';
  if (type.sameKey === true) return 'do not retry. A fresh key would be a second operation: find out first.';
  if (type.sameKey === false)
    return 'do not retry as it is. Correct the request; the next attempt uses a fresh key.';
  return 'do not retry as it is. Correct the request.';
}

function example(): string {
  const { status, rawHeaders, body } = renderProblem({
    code: 'in-flight',
    instance: '3f0d8c52-6b0e-4f55-9d4e-0a8f6e0b7a11',
    docsUrl: 'https://docs.example.com/problems',
    key: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  });
  const lines = [`HTTP/1.1 ${status} Conflict`];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join('\n')}\n\n${body.toString().trimEnd()}`;
}

/** 0, or 1 when the file on disk is not what the table gives. */
function main(args: readonly string[]): number {
  const rendered = renderProblemDocs();
  if (args.includes('--write')) {
    writeFileSync(FILE, rendered);
    return 0;
  }
  if (readFileSync(FILE, 'utf8') === rendered) return 0;
  process.stderr.write('docs/problems.md is stale: node scripts/generate-problem-docs.ts --write\n');
  return 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.exitCode = main(process.argv.slice(2));
