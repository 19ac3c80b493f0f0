import { parseArgs } from 'node:util';
import { auditOpenapi } from './audit/audit-openapi.ts';
import { auditRequests } from './audit/audit-requests.ts';
import type { Io } from './io.ts';

export const AUDIT_USAGE = `onceward audit FILE --target URL --yes-this-is-a-test-backend [-H 'Name: value']... [--check PATH | none]
               [--ignore FIELD | /POINTER]... [--strict] [--json]
onceward audit --openapi FILE [--upstream URL]

Finds what is not idempotent in fact. Sends every PUT, DELETE, GET and other idempotent request of the file twice, one
after the other, and reads back with a GET what each sending did. It writes and deletes: give it a test backend.

FILE is a HAR, as browsers and proxies save it, or has one JSON object a line:

  {"method": "PUT", "path": "/v1/items/7", "headers": {"Accept": "application/json"}, "body": {"name": "a"}}

  idempotent      the second sending changed nothing, and got the same answer
  answer-differs  it changed nothing, and a client that retries is told something else, such as 404 after 204
  not-idempotent  it changed what is read back
  unsure          nothing was tried (an answer of 400 or above), or nothing reads back what it did

  --target URL           the origin that all requests go to, whatever the file says
  -H, --header FIELD     sent with every request; credentials and keys of the file are never sent
  --check PATH           what is read back, in place of each request's own path ("check" in a line of the file); none: nothing
  --ignore NAME          a response field, or a member of a JSON body (/updated_at, /items/*/seen), that may change
  --strict               exit 1 for unsure too
  --json                 as JSON

With --openapi it sends nothing: it reads an OpenAPI 3 document, YAML or JSON, and prints a configuration that observes,
with a route for each POST and PATCH, the key that the document declares, and whose key it is.

  --upstream URL         the backend that the configuration names; default http://127.0.0.1:3000

Exit codes: 0 nothing is not idempotent, 1 something is or nothing could be tried, 2 wrong command line.

  onceward audit shop.har --target http://127.0.0.1:3000 --yes-this-is-a-test-backend -H 'Authorization: Bearer test'
  onceward audit --openapi shop.yaml > onceward.yaml && onceward check onceward.yaml`;

const OPTIONS = {
  target: { type: 'string' },
  'yes-this-is-a-test-backend': { type: 'boolean' },
  header: { type: 'string', short: 'H', multiple: true },
  check: { type: 'string' },
  ignore: { type: 'string', multiple: true },
  strict: { type: 'boolean' },
  json: { type: 'boolean' },
  openapi: { type: 'string' },
  upstream: { type: 'string' },
} as const;

export async function runAudit(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
    strict: true,
  });
  const { openapi, upstream, ...flags } = values;
  const [file] = positionals;
  if (openapi !== undefined) {
    if (file === undefined && Object.keys(flags).length === 0)
      return await auditOpenapi(openapi, upstream, io);
    io.err('onceward audit: --openapi takes --upstream and nothing else: it sends nothing.\n');
    return 2;
  }
  if (file === undefined || positionals.length > 1) {
    io.err('onceward audit: give one file of requests. See onceward audit --help.\n');
    return 2;
  }
  return await auditRequests(file, flags, io);
}
