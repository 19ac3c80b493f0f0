import type { Socket } from 'node:net';
import { errors } from 'undici';

/**
 * What the bytes of a backend are before undici reads them: its parser takes more than RFC 9112 allows, and shows
 * neither version nor line ends. A strict reader of heads and chunk lines on the same socket; it keeps no body.
 */

/** Of the text behind the status; nobody sees it. */
const REASON_BYTES_MAX = 1_024;
/** Of the extensions of one chunk, or of the trailers: what is read and thrown away. */
const DISCARDED_BYTES_MAX = 16 * 1024;
const SIZE_DIGITS_MAX = 13;

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
/** `#` any digit, `v` 0 or 1, `s` 1 to 5. */
const STATUS_LINE = Buffer.from('HTTP/1.v s##', 'latin1');

type State =
  /** Nothing was asked: every byte is a surplus. */
  | 'idle'
  | 'status-line'
  | 'reason'
  | 'line'
  | 'line-start'
  | 'line-end'
  | 'head-end'
  /** A final head came, and undici has not read it yet: what follows is kept until it says what it is. */
  | 'undecided'
  | 'size'
  | 'extension'
  | 'size-end'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer-start'
  | 'trailer'
  | 'trailer-lf'
  | 'last-lf'
  /** Behind the last chunk; a surplus is undici's to find, once it has read what is before it. */
  | 'chunks-over'
  /** A length or the end of the connection bounds it. */
  | 'opaque';

export class ResponseBytes {
  #state: State = 'idle';
  #version: '1.0' | '1.1' = '1.1';
  #status = 0;
  #at = 0;
  #size = 0;
  #discarded = 0;
  #undecided: Buffer[] = [];
  #wrong: string | null = null;

  /** A request leaves now. */
  expect(): void {
    this.#state = 'status-line';
    this.#at = 0;
    this.#discarded = 0;
  }

  /** undici has seen the end of the answer; agreed: of chunks, so has this. */
  ended(): 'agreed' | 'disagreed' {
    const isAgreed = this.#state === 'opaque' || this.#state === 'chunks-over';
    this.#state = 'idle';
    return isAgreed ? 'agreed' : 'disagreed';
  }

  /** Why the connection was broken; null: it was not. */
  get wrong(): string | null {
    return this.#wrong;
  }

  get version(): '1.0' | '1.1' {
    return this.#version;
  }

  /** What follows the final head. Null, or what is wrong with what has come of it. */
  body(framing: 'chunked' | 'opaque'): string | null {
    const parts = this.#undecided;
    this.#undecided = [];
    this.#state = framing === 'chunked' ? 'size' : 'opaque';
    this.#at = 0;
    this.#size = 0;
    if (framing === 'opaque') return null;
    for (const part of parts) {
      const wrong = this.take(part);
      if (wrong !== null) return wrong;
    }
    return null;
  }

  /** Null, or what is wrong: then nothing of it may be read, nor of what follows. */
  take(bytes: Buffer): string | null {
    this.#wrong ??= this.#read(bytes);
    return this.#wrong;
  }

  #read(bytes: Buffer): string | null {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case 'opaque':
        case 'chunks-over':
          return null;
        case 'idle':
          return 'bytes that nobody asked for';
        case 'undecided':
          this.#undecided.push(at === 0 ? bytes : bytes.subarray(at));
          return null;
        case 'data': {
          const taken = Math.min(this.#size, bytes.length - at);
          this.#size -= taken;
          at += taken;
          if (this.#size === 0) this.#state = 'data-cr';
          break;
        }
        default: {
          const wrong = this.#byte(bytes[at] ?? 0);
          if (wrong !== null) return wrong;
          at += 1;
        }
      }
    }
    return null;
  }

  #byte(byte: number): string | null {
    switch (this.#state) {
      case 'status-line':
        return this.#statusLine(byte);
      case 'reason':
        this.#at += 1;
        if (byte === CR) this.#state = 'line-end';
        else if (this.#at > REASON_BYTES_MAX) return 'a reason phrase that does not end';
        else if (!isText(byte)) return 'a control character in the reason phrase';
        return null;
      case 'line-start':
        if (byte === SP || byte === TAB) return 'a folded field line';
        this.#state = 'line';
        if (byte === CR) this.#state = 'head-end';
        else if (!isText(byte)) return 'a control character in its head';
        return null;
      case 'line':
        if (byte === CR) this.#state = 'line-end';
        else if (!isText(byte)) return 'a control character in its head';
        return null;
      case 'line-end':
        this.#state = 'line-start';
        return byte === LF ? null : 'a bare CR in its head';
      case 'head-end':
        if (byte !== LF) return 'a bare CR in its head';
        this.#at = 0;
        this.#state = this.#status < 200 ? 'status-line' : 'undecided';
        return null;
      default:
        return this.#chunkByte(byte);
    }
  }

  #statusLine(byte: number): string | null {
    const at = this.#at;
    this.#at += 1;
    if (at === STATUS_LINE.length) {
      this.#at = 0;
      // Without the space too, where there is no reason: servers leave it out, and nobody reads it otherwise.
      this.#state = byte === CR ? 'line-end' : 'reason';
      return byte === SP || byte === CR ? null : 'a status line that is none';
    }
    const digit = byte - 48;
    if (at === 7) {
      this.#version = digit === 0 ? '1.0' : '1.1';
      return digit === 0 || digit === 1 ? null : 'a version other than HTTP/1.0 and HTTP/1.1';
    }
    if (at === 9) this.#status = 0;
    if (at < 9) return byte === STATUS_LINE[at] ? null : 'a status line that is none';
    this.#status = this.#status * 10 + digit;
    const isRight = at === 9 ? digit >= 1 && digit <= 5 : digit >= 0 && digit <= 9;
    return isRight ? null : 'a status outside 100 to 599';
  }

  #chunkByte(byte: number): string | null {
    switch (this.#state) {
      case 'size': {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          this.#size = this.#size * 16 + digit;
          this.#at += 1;
          return this.#at > SIZE_DIGITS_MAX ? 'a chunk size that is too long' : null;
        }
        if (this.#at === 0) return 'a chunk without a size';
        this.#state = byte === CR ? 'size-end' : 'extension';
        return byte === CR || byte === 59 || byte === SP || byte === TAB ? null : 'a chunk size that is none';
      }
      case 'extension':
        if (byte === CR) this.#state = 'size-end';
        else if (!isText(byte)) return 'a control character in a chunk extension';
        return this.#discard();
      case 'size-end':
        this.#state = this.#size === 0 ? 'trailer-start' : 'data';
        this.#discarded = 0;
        return byte === LF ? null : 'a bare CR in a chunk line';
      case 'data-cr':
        this.#state = 'data-lf';
        return byte === CR ? null : 'a chunk longer than its size';
      case 'data-lf':
        this.#state = 'size';
        this.#at = 0;
        return byte === LF ? null : 'a bare CR behind a chunk';
      case 'trailer-start':
        if (byte === SP || byte === TAB) return 'a folded trailer line';
        this.#state = byte === CR ? 'last-lf' : 'trailer';
        return byte === CR || isText(byte) ? this.#discard() : 'a control character in a trailer';
      case 'trailer':
        if (byte === CR) this.#state = 'trailer-lf';
        else if (!isText(byte)) return 'a control character in a trailer';
        return this.#discard();
      case 'trailer-lf':
        this.#state = 'trailer-start';
        return byte === LF ? null : 'a bare CR in a trailer';
      default:
        this.#state = 'chunks-over';
        return byte === LF ? null : 'a bare CR behind the last chunk';
    }
  }

  #discard(): string | null {
    this.#discarded += 1;
    return this.#discarded > DISCARDED_BYTES_MAX ? 'too much in chunk extensions and trailers' : null;
  }
}

/** Puts the reader in front of whatever reads the socket. What it refuses breaks the connection, unread. */
export function readStrictly(socket: Socket): ResponseBytes {
  const reader = new ResponseBytes();
  const push = socket.push.bind(socket);
  socket.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    const wrong = chunk === null ? null : reader.take(chunk);
    if (wrong === null) return push(chunk, encoding);
    // Any other error than undici's own would fail the requests that still wait for a connection.
    socket.destroy(new errors.SocketError(`the response has ${wrong}`));
    return false;
  };
  return reader;
}

/** Of a field value or what may stand in one: no control character but the tab. */
function isText(byte: number): boolean {
  return (byte >= SP && byte !== 127) || byte === TAB;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
