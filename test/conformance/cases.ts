import { FAILURE_CASES } from './cases-failure.ts';
import { FINGERPRINT_CASES } from './cases-fingerprint.ts';
import { FORWARD_CASES } from './cases-forward.ts';
import { GUARD_CASES } from './cases-guard.ts';
import { GUARD_FRAMING_CASES } from './cases-guard-framing.ts';
import { IN_FLIGHT_CASES } from './cases-in-flight.ts';
import { KEY_CASES } from './cases-key.ts';
import { KEY_SOURCE_CASES } from './cases-key-sources.ts';
import { METHOD_CASES } from './cases-method.ts';
import { REPLAY_CASES } from './cases-replay.ts';
import { REPLAY_FIELD_CASES } from './cases-replay-fields.ts';
import { TRANSPARENT_CASES } from './cases-transparent.ts';
import { TRANSPORT_CASES } from './cases-transport.ts';
import type { ConformanceCase } from './model.ts';

export const CASES: readonly ConformanceCase[] = [
  ...KEY_CASES,
  ...METHOD_CASES,
  ...FINGERPRINT_CASES,
  ...FAILURE_CASES,
  ...REPLAY_CASES,
  ...TRANSPARENT_CASES,
  ...GUARD_CASES,
  ...TRANSPORT_CASES,
  ...FORWARD_CASES,
  ...GUARD_FRAMING_CASES,
  ...IN_FLIGHT_CASES,
  ...KEY_SOURCE_CASES,
  ...REPLAY_FIELD_CASES,
];
