import { parseArgs } from 'node:util';
import { startScriptedUpstream } from '../support/scripted-upstream.ts';
import { CASES } from './cases.ts';
import type { ConformanceCase } from './model.ts';
import { playCase } from './play-case.ts';

/** Edge file: runs the cases against a proxy that is already there, from the command line. */

const USAGE = `node test/conformance/run.ts --base http://HOST:PORT --upstream-listen HOST:PORT [--only ID]... [--list]

Runs the conformance cases against a proxy that was started with test/conformance/policies.yaml:

  ONCEWARD_CONFORMANCE_UPSTREAM=http://127.0.0.1:9100 node bin/onceward.js run --config test/conformance/policies.yaml
  node test/conformance/run.ts --base http://127.0.0.1:8080 --upstream-listen 127.0.0.1:9100

  --base             where the proxy listens
  --upstream-listen  where the scripted backend is to listen: the proxy's upstream
  --only             only this case; may be repeated; a trailing * stands for anything
  --list             prints the cases and their sources, runs nothing

Exit 0: every required case holds. 1: one does not. 2: wrong use.
`;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      base: { type: 'string' },
      'upstream-listen': { type: 'string' },
      only: { type: 'string', multiple: true },
      list: { type: 'boolean' },
    },
  });
  const cases = CASES.filter(({ id }) => isWanted(id, values.only ?? []));
  if (cases.length === 0) return misuse('no such case; --list names them');
  if (values.list === true) {
    for (const { id, kind, title, source } of cases)
      process.stdout.write(`${id.padEnd(34)} ${kind.padEnd(9)} ${title} [${source}]\n`);
    return 0;
  }
  const base = values.base !== undefined && URL.canParse(values.base) ? new URL(values.base) : null;
  const listen = addressOf(values['upstream-listen']);
  if (base === null || base.protocol !== 'http:' || listen === null)
    return misuse('give --base http://HOST:PORT and --upstream-listen HOST:PORT');
  const upstream = await startScriptedUpstream(listen);
  try {
    const proxy = {
      host: base.hostname.replace(/^\[|\]$/g, ''),
      port: Number(base.port === '' ? 80 : base.port),
    };
    return await runAll({ proxy, upstream, run: Date.now().toString(36) }, cases);
  } finally {
    await upstream.close();
  }
}

async function runAll(
  stage: Parameters<typeof playCase>[0],
  cases: readonly ConformanceCase[],
): Promise<number> {
  const counts = { required: 0, optimal: 0, passed: 0 };
  for (const conformance of cases) {
    const found = await playCase(stage, conformance);
    if (found.length === 0) counts.passed += 1;
    else counts[conformance.kind] += 1;
    process.stdout.write(
      `${found.length === 0 ? 'ok  ' : 'FAIL'} ${conformance.kind.padEnd(9)} ${conformance.id.padEnd(34)} ${conformance.title} [${conformance.source}]\n`,
    );
    for (const text of found) process.stdout.write(`       ${text}\n`);
  }
  for (const fault of stage.upstream.faults) process.stdout.write(`FAIL the backend was sent: ${fault}\n`);
  process.stdout.write(
    `\n${counts.passed} of ${cases.length} cases hold; failing: ${counts.required} required, ${counts.optimal} optimal\n`,
  );
  return counts.required === 0 && stage.upstream.faults.length === 0 ? 0 : 1;
}

function isWanted(id: string, only: readonly string[]): boolean {
  return (
    only.length === 0 ||
    only.some((wanted) => (wanted.endsWith('*') ? id.startsWith(wanted.slice(0, -1)) : id === wanted))
  );
}

function addressOf(text: string | undefined): { readonly host: string; readonly port: number } | null {
  const parsed = /^(\[[0-9a-f:]+\]|[^:]+):(\d{1,5})$/i.exec(text ?? '');
  return parsed === null
    ? null
    : { host: (parsed[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(parsed[2]) };
}

function misuse(message: string): number {
  process.stderr.write(`${message}\n\n${USAGE}`);
  return 2;
}

process.exitCode = await main(process.argv.slice(2));
