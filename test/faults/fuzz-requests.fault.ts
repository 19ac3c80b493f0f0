import { fuzzRequests } from '../smuggling/fuzz.ts';
import { startRecordingUpstream } from '../smuggling/recording-upstream.ts';
import { startProxy } from '../support/proxy.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';

/** Requests that were valid and are changed where parsers differ, against a backend that reads strictly. */
export const FAULT: FaultScript = {
  name: 'fuzz-requests',
  promise:
    'Of requests that are mutated where parsers differ, the backend sees none that the proxy does not know of, nothing that is no request, and the proxy neither hangs nor has a defect.',
  quickMsMax: 60_000,
  run,
};

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const upstream = await startRecordingUpstream();
  const proxy = await startProxy({
    upstreamPort: upstream.port,
    top: 'drain: { timeout: 0s }\nlimits: { bodyTimeout: 1s, headTimeout: 2s }',
  });
  try {
    const result = await fuzzRequests(proxy, upstream, { requests: form === 'quick' ? 3_000 : 50_000, seed });
    for (const line of result.wrong.slice(0, 20)) say(line);
    return {
      figures: [
        told('mutated requests', result.requests),
        told('of them forwarded', result.forwarded),
        told('of them refused', result.refused),
        exactly('disagreements between the proxy, the wire and the client', result.wrong.length, 0),
      ],
      versions: [],
    };
  } finally {
    await proxy.close();
    await upstream.close();
  }
}

await runAlone(import.meta.url, FAULT);
