import type { ResponseHead } from '../core/wire.ts';
import type { ByteBudget, OutgoingRequest, Upstream } from './seam.ts';

/** A question to the backend, bounded in time and bytes, whose answer no client sees. */

export type Asked =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly rawHeaders: readonly string[];
      readonly body: Uint8Array;
      readonly receivedAtMs: number;
    }
  | { readonly kind: 'no-answer'; readonly detail: string };

export type AskOptions = {
  readonly upstream: Upstream;
  readonly request: OutgoingRequest;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  readonly budget: ByteBudget;
  /** trust: an answer that ends with the connection counts as whole. */
  readonly unprovenEnd: 'park' | 'trust';
  readonly wallMs: () => number;
};

/** Never rejects. */
export function ask(options: AskOptions): Promise<Asked> {
  const { upstream, request, budget, wallMs } = options;
  return new Promise((resolve) => {
    let head: ResponseHead | null = null;
    let receivedAtMs = 0;
    let chunks: Uint8Array[] = [];
    let bytes = 0;
    let refused: string | null = null;
    const stop = (why: string): void => {
      refused ??= why;
      exchange.destroy({ kind: 'failed', cause: 'aborted', message: why });
    };
    const timer = setTimeout(() => stop(`no answer within ${options.timeoutMs} ms`), options.timeoutMs);
    const exchange = upstream.start(request, {
      dispatching: () => (refused === null ? 'go' : 'stop'),
      uploaded: () => undefined,
      sent: () => undefined,
      informational: () => undefined,
      head(received) {
        head = received;
        receivedAtMs = wallMs();
      },
      chunk(chunk) {
        if (refused !== null) return;
        if (bytes + chunk.byteLength > options.responseBytesMax) {
          stop(`the answer is larger than the ${options.responseBytesMax} bytes of limits.response`);
        } else if (budget.take(chunk.byteLength) === 'full') {
          stop('no room in limits.buffer');
        } else {
          bytes += chunk.byteLength;
          // A copy: the chunk may be a view of a buffer that the client uses again.
          chunks.push(Uint8Array.from(chunk));
        }
      },
      trailers: () => undefined,
      end(end) {
        clearTimeout(timer);
        budget.give(bytes);
        const whole =
          end.kind === 'complete' &&
          (end.end === 'proven' || options.unprovenEnd === 'trust') &&
          refused === null;
        if (whole && head !== null) {
          const { status, rawHeaders } = head;
          resolve({ kind: 'answer', status, rawHeaders, body: Buffer.concat(chunks), receivedAtMs });
        } else {
          resolve({
            kind: 'no-answer',
            detail: refused ?? ('message' in end ? end.message : 'its end is not proven'),
          });
        }
        chunks = [];
      },
    });
  });
}
