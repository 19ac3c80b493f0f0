import { parseArgs } from 'node:util';
import type { Io } from './io.ts';
import { askAdmin } from './keys/admin-client.ts';
import { reportText } from './report/report-text.ts';

export const REPORT_USAGE = `onceward report [--route NAME] [--admin URL] [--json]

Says what "mode: observe" saw since the start of a running Onceward: for each route how many requests "mode: enforce"
would have executed, replayed, refused or parked, and the latest of each by record key, never by value. Of one
Onceward with all its workers; ask each replica.

  --route NAME   that route alone
  --admin URL    default http://127.0.0.1:9465, or ONCEWARD_ADMIN
  --json         the answer as it came

Exit codes: 0 done, 1 failed, 2 wrong command line.

  onceward report
  onceward keys find --route payments --key 8e03978e -H 'Authorization: Bearer …'   # is it one of the examples?`;

export async function runReport(args: readonly string[], io: Io): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { route: { type: 'string' }, admin: { type: 'string' }, json: { type: 'boolean' } },
    strict: true,
  });
  const answer = await askAdmin({
    base: values.admin ?? io.env.ONCEWARD_ADMIN ?? 'http://127.0.0.1:9465',
    token: null,
    method: 'GET',
    path: '/observe-report',
    body: null,
  });
  if (answer.status !== 200) {
    io.err(`onceward report: ${answer.status}: ${String(answer.body.detail ?? 'refused')}\n`);
    return 1;
  }
  const text = values.json === true ? answer.text : reportText(answer.body, values.route ?? null);
  if (text === null) {
    io.err(`onceward report: nothing is known of a route "${values.route}" that observes.\n`);
    return 1;
  }
  io.out(text);
  return 0;
}
