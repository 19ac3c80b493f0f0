import { type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import { spanAt } from './json-span.ts';
import type { PlainResponse } from './record.ts';
import { firstValue, type RawHeaders } from './wire.ts';

/**
 * JSON-RPC 2.0 over HTTP, as the Model Context Protocol has it: many methods at one address, of which few act, and an
 * answer that has to carry the id of its own request.
 */

export type JsonRpcPolicy = {
  /** The methods whose requests are keyed. */
  readonly methods: readonly string[];
};

export type JsonRpcMessage =
  /** `id` as the request wrote it, as JSON; null: it wants no answer. */
  | { readonly kind: 'call'; readonly id: string | null }
  /** Another method, a notification of one, or a response: nothing to protect. */
  | { readonly kind: 'other' }
  /** Not one message of JSON-RPC: treated as any request. */
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly detail: string };

export const JSON_RPC_KINDS = [
  'call',
  'other',
  'none',
  'refused',
] as const satisfies readonly JsonRpcMessage['kind'][];

/** A longer one would be held for every repeat that waits. */
const ID_CHARS_MAX = 1024;

export function readJsonRpc({ methods }: JsonRpcPolicy, body: Uint8Array): JsonRpcMessage {
  const read = readJson(body, 'search');
  if (read.kind === 'fault') return { kind: 'none' };
  const { value } = read;
  if (value.kind === 'array') return readBatch(value.items, methods);
  if (value.kind !== 'object') return { kind: 'none' };
  // Whether it acts would be up to which of the two a reader takes.
  const [twice] = ['method', 'id', 'params'].filter((name) => value.repeated?.has(name) === true);
  if (twice !== undefined) return refused(`The member "${twice}" of the message is repeated; send it once.`);
  if (!isCall(value, methods)) return { kind: 'other' };
  const id = value.members.get('id');
  if (id === undefined || (id.kind !== 'string' && id.kind !== 'number')) return { kind: 'call', id: null };
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const span = spanAt(text, ['id']);
  if (span === null) return { kind: 'call', id: null };
  return span.end - span.start > ID_CHARS_MAX
    ? refused(`The id of the message has more than ${ID_CHARS_MAX} characters.`)
    : { kind: 'call', id: text.slice(span.start, span.end) };
}

/** The answers of a batch would need an id each, and its calls a key each. */
function readBatch(items: readonly JsonValue[], methods: readonly string[]): JsonRpcMessage {
  return items.some((item) => isCall(item, methods) || isAmbiguous(item))
    ? refused(
        'A batch of messages with a call in it cannot be executed once; send each call in a request of its own.',
      )
    : { kind: 'other' };
}

function isAmbiguous(value: JsonValue): boolean {
  return value.kind === 'object' && value.repeated?.has('method') === true;
}

function isCall(value: JsonValue, methods: readonly string[]): boolean {
  const method = valueAt(value, ['method']);
  return method.kind === 'value' && method.value.kind === 'string' && methods.includes(method.value.text);
}

function refused(detail: string): JsonRpcMessage {
  return { kind: 'refused', detail };
}

type FullResponse = Extract<PlainResponse, { kind: 'full' }>;

/** What of the stored head speaks of the bytes of the body, or of a stream that is no more. */
const OF_THE_BYTES: ReadonlySet<string> = new Set([
  'content-length',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'etag',
]);

/**
 * A stored response with the id of the request that gets it now. Null: the answer cannot be found in it, and with the
 * old id its client would wait for one for ever. What is no message of JSON-RPC stays as it is.
 */
export function readdressed(response: FullResponse, id: string): FullResponse | null {
  const type = mediaType(response.rawHeaders);
  if (type === 'other' || response.body.byteLength === 0) return response;
  const coding = firstValue(response.rawHeaders, 'content-encoding');
  if (coding !== undefined && coding.toLowerCase() !== 'identity') return null;
  const text = textOf(response.body);
  if (type === 'json') {
    const changed = withId(text, id);
    return changed === null ? response : withBody(response, changed);
  }
  const answer = answerOfStream(text, id);
  return answer === null ? null : withBody(response, `event: message\ndata: ${answer}\n\n`);
}

function mediaType(rawHeaders: RawHeaders): 'json' | 'stream' | 'other' {
  const [essence = ''] = (firstValue(rawHeaders, 'content-type') ?? '').split(';', 1);
  const type = essence.trim().toLowerCase();
  if (type === 'text/event-stream') return 'stream';
  return type === 'application/json' || type.endsWith('+json') ? 'json' : 'other';
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

/** The message with another id; null where it is no response to a request. */
function withId(text: string, id: string): string | null {
  const read = readJson(Buffer.from(text, 'utf8'), 'search');
  if (read.kind === 'fault' || read.value.kind !== 'object') return null;
  const { members } = read.value;
  if (!members.has('result') && !members.has('error')) return null;
  const own = members.get('id');
  // A refusal of what could not be read has null: it is addressed to nobody.
  if (own === undefined || (own.kind !== 'string' && own.kind !== 'number')) return null;
  const span = spanAt(text, ['id']);
  return span === null ? null : text.slice(0, span.start) + id + text.slice(span.end);
}

/**
 * Of a stream of events only the answer: progress and requests of the server belonged to the first call, and nobody
 * would take a reply to them. On one line, as a line break inside JSON is white space.
 */
function answerOfStream(text: string, id: string): string | null {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  let data: string[] = [];
  let answer: string | null = null;
  for (const line of lines) {
    if (line === '') {
      if (data.length > 0) answer = withId(data.join('\n'), id) ?? answer;
      data = [];
    } else if (line.startsWith('data:')) {
      data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    }
  }
  return answer === null ? null : answer.replaceAll('\n', ' ');
}

function withBody(response: FullResponse, text: string): FullResponse {
  const rawHeaders: string[] = [];
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = response.rawHeaders[i] ?? '';
    if (!OF_THE_BYTES.has(name.toLowerCase())) rawHeaders.push(name, response.rawHeaders[i + 1] ?? '');
  }
  return { ...response, rawHeaders, body: Buffer.from(text, 'utf8') };
}
