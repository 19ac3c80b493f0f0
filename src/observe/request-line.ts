import type { Outcome, RequestClass } from '../core/outcome.ts';
import type { RecordKey } from '../core/record.ts';
import type { ProblemCode } from '../problems/registry.ts';

/** What a request ended with. Keys, credentials, cookies, queries and bodies have no field here, and get none. */
export type RequestFields = {
  /** Null: refused before a route was found. */
  readonly route: string | null;
  readonly requestClass: RequestClass | null;
  readonly outcome: Outcome;
  /** Sent to the client; 0 when it was gone. */
  readonly status: number;
  readonly durationMs: number;
  readonly method: string;
  /** As received; the query is cut off here. */
  readonly target: string;
  /** Null without a key; a short prefix is logged. */
  readonly recordKey: RecordKey | null;
  readonly attempt: number | null;
  readonly problem: ProblemCode | null;
  readonly upstreamMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly peer: string;
};

export const PATH_CHARS_MAX = 256;
export const METHOD_CHARS_MAX = 32;
/** Enough to find a record by (72 bits), too little to be taken for the whole key. */
const RECORD_KEY_CHARS = 12;

/**
 * The JSON line of a request, in the form the logger gives its own. Written by hand: a third of the time, and only
 * text from outside needs escaping. Absent is absent: no field is null.
 */
export function requestLine(fields: RequestFields, timeMs: number): string {
  let line = `{"level":"info","time":"${isoTime(timeMs)}"`;
  if (fields.route !== null) line += `,"route":${JSON.stringify(fields.route)}`;
  if (fields.requestClass !== null) line += `,"class":"${fields.requestClass}"`;
  line += `,"outcome":"${fields.outcome}","status":${numberText(fields.status)},"durationMs":${numberText(fields.durationMs)}`;
  line += `,"method":${JSON.stringify(bounded(fields.method, METHOD_CHARS_MAX))},"path":${JSON.stringify(pathOnly(fields.target))}`;
  if (fields.recordKey !== null) line += `,"recordKey":${JSON.stringify(shortRecordKey(fields.recordKey))}`;
  if (fields.attempt !== null) line += `,"attempt":${numberText(fields.attempt)}`;
  if (fields.problem !== null) line += `,"problem":"${fields.problem}"`;
  if (fields.upstreamMs > 0) line += `,"upstreamMs":${numberText(fields.upstreamMs)}`;
  line += `,"bytesIn":${numberText(fields.bytesIn)},"bytesOut":${numberText(fields.bytesOut)}`;
  return `${line},"peer":${JSON.stringify(fields.peer)},"msg":"request"}\n`;
}

/** Microseconds are enough, and shorter; NaN and Infinity are not JSON. */
function numberText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Number.isFinite(value) ? String(Math.round(value * 1_000) / 1_000) : '0';
}

let lastTimeMs = Number.NaN;
let lastTimeText = '';
function isoTime(timeMs: number): string {
  if (timeMs !== lastTimeMs) {
    lastTimeMs = timeMs;
    lastTimeText = new Date(timeMs).toISOString();
  }
  return lastTimeText;
}

/** The path of a target in origin or absolute form; a query or fragment may hold tokens, userinfo a password. */
export function pathOnly(target: string): string {
  const start = target.charCodeAt(0) === 0x2f ? 0 : pathStart(target);
  if (start === -1) return '';
  const end = Math.min(target.length, start + PATH_CHARS_MAX);
  for (let at = start; at < end; at += 1) {
    const code = target.charCodeAt(at);
    if (code === 0x3f || code === 0x23) return target.slice(start, at);
  }
  return target.slice(start, end);
}

/** -1: nothing of it is a path. */
function pathStart(target: string): number {
  const scheme = target.indexOf('://');
  if (scheme === -1) return target.includes('@') ? -1 : 0;
  const authority = scheme + 3;
  const found = target.slice(authority).search(/[/?#]/);
  return found !== -1 && target[authority + found] === '/' ? authority + found : -1;
}

export function shortRecordKey(recordKey: RecordKey): string {
  return recordKey.slice(0, RECORD_KEY_CHARS);
}

function bounded(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : text.slice(0, charsMax);
}
