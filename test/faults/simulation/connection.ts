import type { RequestHead, ResponseHead } from '../../../src/core/wire.ts';
import type { BodyRead, ByteBudget, Incoming, Reply, RequestBody } from '../../../src/http/seam.ts';
import type { Draw } from './draw.ts';
import type { Party, Timeline } from './timeline.ts';

/** One request of a client on its own connection to one proxy, with what either side may do to it. */

export type Answer = {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

export type Upload = 'whole' | 'broken-off' | 'stalled';

export type ConnectionOptions = {
  readonly timeline: Timeline;
  readonly draw: Draw;
  /** The proxy's process. */
  readonly party: Party;
  readonly head: RequestHead;
  readonly body: Buffer;
  readonly framing: RequestBody['framing'];
  readonly upload: Upload;
  readonly pace: 'quick' | 'slow';
  /** The proxy has let go of the whole answer: what it says, it says now. */
  readonly onEmitted: (answer: Answer) => void;
  /** At the client: a whole answer, or null for a connection that broke. Once. */
  readonly onAnswer: (answer: Answer | null) => void;
};

const BODY_TIMEOUT_MS = 1_000;

export class Connection implements Reply {
  readonly #options: ConnectionOptions;
  #state: 'open' | 'head-sent' | 'ended' | 'gone' = 'open';
  #closed: 'no' | 'yes' = 'no';
  #told: 'no' | 'yes' = 'no';
  #head: ResponseHead | null = null;
  readonly #chunks: Uint8Array[] = [];
  #goneListener: (() => void) | null = null;
  readonly #closedListeners: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  incoming(): Incoming {
    return {
      head: this.#options.head,
      peer: { address: '192.0.2.1', protocol: 'http', certificate: null },
      body: requestBody(
        this.#options,
        () => this.#state === 'gone',
        () => this.leave(),
      ),
      reply: this,
      startedMs: performance.now(),
    };
  }

  /** The client goes away; the proxy learns of it a moment later. */
  leave(): void {
    const { timeline, draw, party } = this.#options;
    this.#tell(null);
    timeline.after(party, draw.delayMs(), () => this.#close());
  }

  /** The process at the other end is gone: the kernel closes what it held. */
  breakOff(): void {
    if (this.#state !== 'ended') this.#tell(null);
  }

  state(): 'open' | 'head-sent' | 'ended' | 'gone' {
    return this.#state;
  }

  informational(): void {
    // Nothing to check: it says nothing of an outcome.
  }

  send(head: ResponseHead, body: Uint8Array | null): void {
    if (this.#state !== 'open') return;
    this.begin(head);
    this.end(body);
  }

  begin(head: ResponseHead): void {
    if (this.#state !== 'open') return;
    this.#state = 'head-sent';
    this.#head = head;
  }

  flushHead(): void {
    // Every byte is on its way at once here.
  }

  write(chunk: Uint8Array): 'more' | 'wait' {
    if (this.#state !== 'head-sent') return 'more';
    this.#chunks.push(chunk);
    return this.#options.pace === 'slow' && this.#options.draw.chance(0.5) ? 'wait' : 'more';
  }

  trailers(): void {
    // The backend of the simulation sends none.
  }

  end(lastChunk: Uint8Array | null): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'ended';
    if (lastChunk !== null) this.#chunks.push(lastChunk);
    const { timeline, draw, party, pace } = this.#options;
    const { status, rawHeaders } = this.#head ?? { status: 0, rawHeaders: [] };
    const answer = { status, rawHeaders, body: Buffer.concat(this.#chunks) };
    this.#options.onEmitted(answer);
    const readMs = pace === 'slow' ? draw.int(10, 2000) : draw.delayMs();
    timeline.after(timeline.world, readMs, () => this.#tell(answer));
    timeline.after(party, readMs, () => this.#close());
  }

  destroy(): void {
    if (this.#state === 'ended' || this.#state === 'gone') return;
    this.#state = 'gone';
    const { timeline, draw, party } = this.#options;
    timeline.after(timeline.world, draw.delayMs(), () => this.#tell(null));
    timeline.after(party, 0, () => this.#close());
  }

  onDrain(listener: () => void): void {
    const { timeline, draw, party } = this.#options;
    timeline.after(party, draw.int(5, 1500), () => {
      if (this.#closed === 'no') listener();
    });
  }

  onGone(listener: () => void): void {
    this.#goneListener = listener;
    if (this.#state === 'gone') listener();
  }

  onClosed(listener: () => void): void {
    if (this.#closed === 'yes') listener();
    else this.#closedListeners.push(listener);
  }

  #close(): void {
    if (this.#closed === 'yes') return;
    this.#closed = 'yes';
    if (this.#state !== 'ended') {
      this.#state = 'gone';
      this.#goneListener?.();
    }
    for (const listener of this.#closedListeners.splice(0)) listener();
  }

  #tell(answer: Answer | null): void {
    if (this.#told === 'yes') return;
    this.#told = 'yes';
    this.#options.onAnswer(answer);
  }
}

function requestBody(options: ConnectionOptions, gone: () => boolean, leave: () => void): RequestBody {
  const { timeline, draw, party, body, framing, upload } = options;
  let taken: 'taken' | 'untouched' = 'untouched';
  let complete: 'complete' | 'incomplete' = framing === 'none' ? 'complete' : 'incomplete';
  const lengthBytes = framing === 'length' ? body.byteLength : null;
  /** The upload, or why it does not come. */
  const uploaded = (): Promise<'complete' | 'aborted' | 'timed-out'> =>
    new Promise((resolve) => {
      taken = 'taken';
      if (upload === 'broken-off') timeline.after(timeline.world, draw.delayMs(), leave);
      const afterMs = upload === 'stalled' ? BODY_TIMEOUT_MS : draw.delayMs();
      timeline.after(party, upload === 'broken-off' ? 400 : afterMs, () => {
        if (gone()) resolve('aborted');
        else if (upload === 'stalled') resolve('timed-out');
        else {
          complete = 'complete';
          resolve('complete');
        }
      });
    });
  return {
    framing,
    lengthBytes,
    async read(bytesMax: number, budget: ByteBudget): Promise<BodyRead> {
      if (framing === 'none') return { kind: 'complete', bytes: new Uint8Array(0) };
      if (lengthBytes !== null && lengthBytes > bytesMax) return { kind: 'too-large' };
      const end = await uploaded();
      if (end !== 'complete') return { kind: end };
      if (body.byteLength > bytesMax) return { kind: 'too-large' };
      return budget.take(body.byteLength) === 'full'
        ? { kind: 'no-room' }
        : { kind: 'complete', bytes: Buffer.from(body) };
    },
    async *stream(onChunk) {
      if ((await uploaded()) !== 'complete') throw new Error('the client left before the end of the body');
      onChunk(body);
      yield body;
    },
    complete: () => complete,
    taken: () => taken,
  };
}
