import { fuzzResponses, startPlayingBackend } from '../smuggling/fuzz-responses.ts';
import { startProxy } from '../support/proxy.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';

/** Responses that were valid and are changed where parsers differ, held against a strict parser and the next request. */
export const FAULT: FaultScript = {
  name: 'fuzz-responses',
  promise:
    'Of responses that are mutated where parsers differ, none is kept that a strict parser does not take for one whole answer, no client reads half an answer as a whole one, the next keyed request gets its own, and the proxy has no defect.',
  quickMsMax: 60_000,
  run,
};

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const backend = await startPlayingBackend();
  const proxy = await startProxy({
    upstreamPort: backend.port,
    upstream: 'reuse: never, headTimeout: 300ms, bodyTimeout: 300ms, lateAnswer: 0s, connections: 512',
    top: 'drain: { timeout: 0s }',
  });
  try {
    const responses = form === 'quick' ? 1_000 : 20_000;
    const result = await fuzzResponses(proxy, backend, { responses, seed });
    for (const line of result.wrong.slice(0, 20)) say(line);
    return {
      figures: [
        told('mutated responses', result.responses),
        told('of them kept for repeats', result.kept),
        exactly(
          'kept against a strict parser, read wrongly, or read by the next request',
          result.wrong.length,
          0,
        ),
      ],
      versions: [],
    };
  } finally {
    await proxy.close();
    await backend.close();
  }
}

await runAlone(import.meta.url, FAULT);
