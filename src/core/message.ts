import { hash } from 'node:crypto';
import { formField, isForm, readForm } from './form.ts';
import { type JsonValue, readJson } from './json.ts';
import { valueAt } from './json-pointer.ts';
import type { BodyKey } from './key.ts';
import { essenceOf } from './media-type.ts';
import type { KeySource } from './policy.ts';
import { unreachable } from './unreachable.ts';
import { allValues, firstValue, type RawHeaders, type RequestHead } from './wire.ts';

/**
 * The id of a message, where its kind of sender puts it. The key is the target and the id: one message that goes to
 * two endpoints is two operations, and each endpoint answers its own duplicates.
 */

export const MESSAGE_PRESETS = [
  'standard-webhooks',
  'cloudevents',
  'sns',
  'pubsub',
  'github',
  'stripe',
  'twilio',
  'slack',
] as const;
export type MessagePreset = (typeof MESSAGE_PRESETS)[number];

type Part =
  /** `escaped`: percent-encoded in a header and nowhere else. */
  | { readonly kind: 'header'; readonly name: string; readonly form: 'plain' | 'escaped' }
  | { readonly kind: 'json'; readonly tokens: readonly string[] }
  | { readonly kind: 'form'; readonly name: string };

type IdSource =
  /** All parts together are the id. */
  | { readonly kind: 'parts'; readonly type: 'any' | string; readonly parts: readonly Part[] }
  /** The ids of all members of a JSON array, in their order. */
  | { readonly kind: 'batch'; readonly type: string; readonly parts: readonly Part[] };

const header = (name: string): Part => ({ kind: 'header', name, form: 'plain' });
const escaped = (name: string): Part => ({ kind: 'header', name, form: 'escaped' });
const json = (...tokens: readonly string[]): Part => ({ kind: 'json', tokens });
const form = (name: string): Part => ({ kind: 'form', name });
const all = (...parts: readonly Part[]): IdSource => ({ kind: 'parts', type: 'any', parts });

/** Tried in order; the first that is there whole names the message. */
const ID_SOURCES: Readonly<Record<MessagePreset, readonly IdSource[]>> = {
  'standard-webhooks': [all(header('webhook-id'))],
  // Source and id together are unique (CloudEvents 1.0.2 section 3.1.1); structured and binary mode give one key.
  cloudevents: [
    { kind: 'batch', type: 'application/cloudevents-batch+json', parts: [json('source'), json('id')] },
    { kind: 'parts', type: 'application/cloudevents+json', parts: [json('source'), json('id')] },
    all(escaped('ce-source'), escaped('ce-id')),
  ],
  // In the body both are signed; raw delivery has them in the head alone.
  sns: [
    all(json('TopicArn'), json('MessageId')),
    all(header('x-amz-sns-topic-arn'), header('x-amz-sns-message-id')),
  ],
  // An id is unique within its topic. Unwrapped pushes have it in the head, when metadata is written.
  pubsub: [
    all(json('subscription'), json('message', 'messageId')),
    all(json('subscription'), json('message', 'message_id')),
    all(header('x-goog-pubsub-subscription-name'), header('x-goog-pubsub-message-id')),
  ],
  github: [all(header('x-github-delivery'))],
  stripe: [all(json('id'))],
  // A status callback comes once for each status of one message.
  twilio: [
    all(header('i-twilio-idempotency-token')),
    all(form('MessageSid'), form('MessageStatus')),
    all(form('MessageSid'), form('SmsStatus')),
  ],
  slack: [all(json('event_id'))],
};

/** The fields of the head in which a preset finds an id, in lower case. */
export function messageFields(preset: MessagePreset): readonly string[] {
  return ID_SOURCES[preset].flatMap(({ parts }) =>
    parts.flatMap((part) => (part.kind === 'header' ? [part.name] : [])),
  );
}

/** Where an id is looked for, in words. */
export function messagePlaces(preset: MessagePreset): string {
  return ID_SOURCES[preset].map(({ parts }) => parts.map(placeOf).join(' with ')).join(' or ');
}

function placeOf(part: Part): string {
  switch (part.kind) {
    case 'header':
      return `the field ${part.name}`;
    case 'json':
      return `the body at /${part.tokens.join('/')}`;
    case 'form':
      return `the form field ${part.name}`;
    default:
      return unreachable(part);
  }
}

type Found =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'invalid'; readonly detail: string };

const ABSENT = { kind: 'absent' } as const;

type Content = {
  readonly rawHeaders: RawHeaders;
  readonly document: JsonValue | null;
  readonly pairs: readonly (readonly [string, string])[] | null;
};

export function readMessageId(
  source: Extract<KeySource, { kind: 'message' }>,
  head: RequestHead,
  body: Uint8Array,
): BodyKey {
  const contentType = firstValue(head.rawHeaders, 'content-type');
  const read = contentOf(source.preset, head, contentType, body);
  if (read.kind === 'invalid') return read;
  const essence = contentType === undefined ? '' : essenceOf(contentType);
  for (const [index, one] of ID_SOURCES[source.preset].entries()) {
    if (one.type !== 'any' && one.type !== essence) continue;
    const found = one.kind === 'batch' ? batchId(one.parts, read.content) : idOf(one.parts, read.content);
    if (found.kind === 'invalid') return found;
    if (found.kind === 'value')
      return { kind: 'key', key: `${head.target} ${distinct(found.value, index)}`, source };
  }
  return ABSENT;
}

/** Ids that come from different places are never one: a leading `#` and the place, but for the first place. */
function distinct(id: string, index: number): string {
  return index === 0 && !id.startsWith('#') ? id : `#${index} ${id}`;
}

type Read =
  | { readonly kind: 'content'; readonly content: Content }
  | { readonly kind: 'invalid'; readonly detail: string };

/** The body is read only for a preset that has ids there. */
function contentOf(
  preset: MessagePreset,
  { rawHeaders }: RequestHead,
  contentType: string | undefined,
  body: Uint8Array,
): Read {
  const sources = ID_SOURCES[preset];
  const wants = (kind: Part['kind']): boolean =>
    sources.some(({ parts }) => parts.some((part) => part.kind === kind));
  let pairs: Content['pairs'] = null;
  if (wants('form') && isForm(contentType)) {
    pairs = readForm(body);
    if (pairs === null) return invalid('The form is not well-formed percent-encoded UTF-8.');
  }
  let document: JsonValue | null = null;
  if (wants('json') && body.byteLength > 0 && !isForm(contentType)) {
    const json = readJson(body, 'search');
    if (json.kind === 'value') document = json.value;
    // A backend with a laxer parser could find a message, and execute it, where none was found here.
    else if (json.fault !== 'not-json' || saysJson(contentType))
      return invalid('The body cannot be searched for the id of the message: it is not well-formed JSON.');
  }
  return { kind: 'content', content: { rawHeaders, document, pairs } };
}

function saysJson(contentType: string | undefined): boolean {
  const essence = contentType === undefined ? '' : essenceOf(contentType);
  return essence === 'application/json' || essence.endsWith('+json');
}

function invalid(detail: string): { readonly kind: 'invalid'; readonly detail: string } {
  return { kind: 'invalid', detail };
}

/** One part is the id as it stands; several are joined with their lengths, so that no two pairs look alike. */
function idOf(parts: readonly Part[], content: Content): Found {
  const values: string[] = [];
  for (const part of parts) {
    const found = partOf(part, content);
    if (found.kind !== 'value') return found;
    values.push(found.value);
  }
  const [only] = values;
  return {
    kind: 'value',
    value:
      values.length === 1 && only !== undefined
        ? only
        : values.map((value) => `${value.length}:${value}`).join(''),
  };
}

/**
 * A batch is one record: the backend gets it whole and answers it as a whole, so its parts cannot be told apart. A
 * sender that groups the same events anew sends another batch.
 */
function batchId(parts: readonly Part[], content: Content): Found {
  const { document } = content;
  if (document?.kind !== 'array') return invalid('A batch of events is a JSON array.');
  let text = '';
  for (const item of document.items) {
    const found = idOf(parts, { ...content, document: item });
    if (found.kind === 'invalid') return found;
    if (found.kind === 'absent') return invalid('An event of the batch has no source or no id.');
    text += `${found.value.length}:${found.value}`;
  }
  return { kind: 'value', value: `batch ${hash('sha256', text, 'base64url')}` };
}

const PART_CHARS_MAX = 1024;

function partOf(part: Part, content: Content): Found {
  const found = read(part, content);
  if (found.kind !== 'value') return found;
  const { value } = found;
  if (value === '' || value.length > PART_CHARS_MAX)
    return invalid(`The message id in ${placeOf(part)} must have 1 to ${PART_CHARS_MAX} characters.`);
  // Hashed as UTF-8, in which all lone surrogates look alike.
  return value.isWellFormed() ? found : invalid(`The message id in ${placeOf(part)} is not Unicode text.`);
}

function read(part: Part, { rawHeaders, document, pairs }: Content): Found {
  switch (part.kind) {
    case 'header': {
      const values = allValues(rawHeaders, part.name);
      if (values.length > 1) return invalid(`The field ${part.name} is repeated; send it once.`);
      const [value] = values;
      if (value === undefined) return ABSENT;
      return { kind: 'value', value: part.form === 'escaped' ? unescaped(value) : value };
    }
    case 'json': {
      if (document === null) return ABSENT;
      const member = valueAt(document, part.tokens);
      if (member.kind === 'absent') return ABSENT;
      if (member.kind === 'repeated')
        return invalid(`The member "${member.name}" is repeated; send it once.`);
      return member.value.kind === 'string'
        ? { kind: 'value', value: member.value.text }
        : invalid(`The message id in ${placeOf(part)} must be a JSON string.`);
    }
    case 'form': {
      const field = pairs === null ? ABSENT : formField(pairs, part.name);
      if (field.kind === 'repeated') return invalid(`The form field ${part.name} is repeated; send it once.`);
      return field;
    }
    default:
      return unreachable(part);
  }
}

/** CloudEvents HTTP binding 1.0.2 section 3.1.3.2. What does not decode stays as it was sent. */
function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
