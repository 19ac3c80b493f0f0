import type { Socket } from 'node:net';

/**
 * A strict reader of HTTP/1.1 requests: what a lenient backend would forgive is a fault here, so that a proxy that
 * forwards something doubtful is found out.
 */

export type SeenRequest = {
  readonly method: string;
  readonly target: string;
  /** Field lines as received: order, case and repetition kept. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly framing: 'none' | 'length' | 'chunked';
  /** What has come so far. */
  readonly body: () => Buffer;
  readonly ended: Promise<'whole' | 'cut'>;
};

type Source = {
  /** The next bytes, or null when there are no more. */
  next(): Promise<Buffer | null>;
};

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/1\\.1$`);
const FIELD_LINE = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*?)[ \\t]*$`);
const HEAD_BYTES_MAX = 128 * 1024;

class ByteReader {
  #buffered: Buffer = Buffer.alloc(0);
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Up to and with the delimiter; null when the stream ends before it. */
  async until(delimiter: string, bytesMax: number): Promise<string | null> {
    for (;;) {
      const at = this.#buffered.indexOf(delimiter, 0, 'latin1');
      if (at !== -1) return this.#cut(at + delimiter.length).toString('latin1');
      if (this.#buffered.length > bytesMax || (await this.#more()) === 'end') return null;
    }
  }

  /** At least one byte, at most this many; null at the end. */
  async some(bytesMax: number): Promise<Buffer | null> {
    if (this.#buffered.length === 0 && (await this.#more()) === 'end') return null;
    return this.#cut(Math.min(bytesMax, this.#buffered.length));
  }

  #cut(bytes: number): Buffer {
    const taken = this.#buffered.subarray(0, bytes);
    this.#buffered = this.#buffered.subarray(bytes);
    return taken;
  }

  async #more(): Promise<'more' | 'end'> {
    const next = await this.#source.next();
    if (next === null) return 'end';
    this.#buffered = this.#buffered.length === 0 ? next : Buffer.concat([this.#buffered, next]);
    return 'more';
  }
}

/** Each request is yielded at its head; its body is read meanwhile. */
export async function* readRequest(
  socket: Socket,
  fault: (text: string) => void,
): AsyncGenerator<SeenRequest> {
  const reader = new ByteReader(sourceOf(socket));
  for (;;) {
    const head = await reader.until('\r\n\r\n', HEAD_BYTES_MAX);
    if (head === null) return;
    const request = parseHead(head, fault);
    if (request === null) {
      socket.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    const ended = readBody(reader, request, chunks, fault);
    yield {
      ...request.line,
      headers: request.headers,
      framing: request.framing,
      body: () => Buffer.concat(chunks),
      ended,
    };
    if ((await ended) === 'cut') return;
  }
}

function sourceOf(socket: Socket): Source {
  const queue: Buffer[] = [];
  let over = false;
  let wake: (() => void) | null = null;
  const tell = (): void => {
    wake?.();
    wake = null;
  };
  const end = (): void => {
    over = true;
    tell();
  };
  socket.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    tell();
  });
  socket.once('end', end);
  socket.once('close', end);
  return {
    async next() {
      while (queue.length === 0 && !over) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return queue.shift() ?? null;
    },
  };
}

type Head = {
  readonly line: { readonly method: string; readonly target: string };
  readonly headers: readonly (readonly [string, string])[];
  readonly framing: SeenRequest['framing'];
  readonly lengthBytes: number;
};

function parseHead(text: string, fault: (text: string) => void): Head | null {
  const lines = text.slice(0, -4).split('\r\n');
  const line = REQUEST_LINE.exec(lines[0] ?? '');
  if (line === null) {
    fault(`request line: ${JSON.stringify(lines[0])}`);
    return null;
  }
  const headers: [string, string][] = [];
  for (const raw of lines.slice(1)) {
    const field = FIELD_LINE.exec(raw);
    if (field === null) {
      fault(`field line: ${JSON.stringify(raw)}`);
      return null;
    }
    headers.push([field[1] ?? '', field[2] ?? '']);
  }
  const lengths = valuesOf(headers, 'content-length');
  const codings = valuesOf(headers, 'transfer-encoding');
  if (valuesOf(headers, 'host').length !== 1) fault('not exactly one Host');
  if (lengths.length > 1 || (lengths.length > 0 && codings.length > 0)) {
    fault('framing named twice');
    return null;
  }
  const [length] = lengths;
  const [coding] = codings;
  if (
    (length !== undefined && !/^\d+$/.test(length)) ||
    (coding !== undefined && coding.toLowerCase() !== 'chunked')
  ) {
    fault(`framing: ${String(length)} ${String(coding)}`);
    return null;
  }
  const framing = coding !== undefined ? 'chunked' : length !== undefined ? 'length' : 'none';
  return {
    line: { method: line[1] ?? '', target: line[2] ?? '' },
    headers,
    framing,
    lengthBytes: Number(length ?? 0),
  };
}

function valuesOf(headers: readonly (readonly [string, string])[], nameLower: string): readonly string[] {
  return headers.filter(([name]) => name.toLowerCase() === nameLower).map(([, value]) => value);
}

async function readBody(
  reader: ByteReader,
  head: Head,
  chunks: Buffer[],
  fault: (text: string) => void,
): Promise<'whole' | 'cut'> {
  if (head.framing !== 'chunked') return await readBytes(reader, head.lengthBytes, chunks);
  for (;;) {
    const line = await reader.until('\r\n', 64);
    if (line === null) return 'cut';
    const size = /^([0-9a-fA-F]{1,8})\r\n$/.exec(line);
    if (size === null) {
      fault(`chunk size: ${JSON.stringify(line)}`);
      return 'cut';
    }
    const bytes = Number.parseInt(size[1] ?? '', 16);
    if (bytes > 0 && (await readBytes(reader, bytes, chunks)) === 'cut') return 'cut';
    const close = await reader.until('\r\n', 64);
    if (close === null) return 'cut';
    if (close !== '\r\n') {
      fault(`after a chunk: ${JSON.stringify(close)}`);
      return 'cut';
    }
    if (bytes === 0) return 'whole';
  }
}

async function readBytes(reader: ByteReader, bytes: number, chunks: Buffer[]): Promise<'whole' | 'cut'> {
  for (let left = bytes; left > 0; ) {
    const part = await reader.some(left);
    if (part === null) return 'cut';
    chunks.push(part);
    left -= part.length;
  }
  return 'whole';
}
