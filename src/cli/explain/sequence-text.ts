import { formatDuration } from '../../config/units.ts';
import type { RoutePolicy } from '../../core/policy.ts';
import { type Place, type ProducerState, placeOf, type Standing, turnOf } from '../../core/producer.ts';
import type { SequenceIds } from '../../core/sequence.ts';
import { unreachable } from '../../core/unreachable.ts';
import { problemText } from './decision-text.ts';

/** What would happen to a request by its number, by the functions that serve: placeOf and turnOf. */

type Row = readonly [string, string];

/** Far enough from 0 that every case can be before it. */
const SAMPLE = 1_000;

export function sequenceRows(policy: RoutePolicy, ids: SequenceIds): readonly Row[] {
  const { sequence, keyspace } = policy;
  if (sequence === null) return [];
  const sample = { ...ids, sequence: SAMPLE };
  const streamAt = (last: number) => ({ epoch: ids.epoch, first: 0, last, untilMs: 1 });
  const after = (last: number): ProducerState => ({
    epoch: ids.epoch,
    streams: new Map([[keyspace, streamAt(last)]]),
  });
  const place = (state: ProducerState | null): string =>
    placeText(placeOf(state, keyspace, sample, sequence.unknownProducer), policy);
  const turn = (standing: Standing): string => {
    const rules = { unknown: sequence.unknownProducer, quietMs: policy.quietMs };
    return turnText(turnOf(standing, streamAt(SAMPLE - 1), ids.epoch, 0, rules).kind, policy);
  };
  return [
    ['in turn', `${place(after(SAMPLE - 1))}, once the one before is settled`],
    ['… it is in flight', turn('in-flight')],
    ['… it was not executed', turn('not-executed')],
    ['… its outcome unknown', turn('unknown')],
    ['the last one again', place(after(SAMPLE))],
    ['one of the last again', place(after(SAMPLE + 4))],
    ['an older one again', place(after(SAMPLE + 5))],
    ['ahead of its turn', place(after(SAMPLE - 3))],
    ['far ahead of it', place(after(SAMPLE - 9))],
    ['of an older epoch', place({ ...after(SAMPLE), epoch: ids.epoch + 1 })],
    ['of a producer unknown', place(null)],
  ];
}

function placeText(place: Place, policy: RoutePolicy): string {
  switch (place.kind) {
    case 'next':
      return `executed: goes to the backend once, under a lease of ${formatDuration(policy.leaseMs)} that is renewed`;
    case 'current':
      return 'as a repeat with a key: replayed, joined, or tried again where it was not executed';
    case 'duplicate':
      return 'the first answer again, as long as it is kept; never executed';
    case 'too-old':
      return problemText('sequence-too-old');
    case 'early':
      return `${waitText(policy)}${problemText('sequence-gap')} (with expectedSequence)`;
    case 'gap':
      return `${problemText('sequence-gap')} (with expectedSequence)`;
    case 'fenced':
      return problemText('producer-fenced');
    case 'unknown':
      return problemText('producer-unknown');
    default:
      return unreachable(place);
  }
}

function turnText(turn: ReturnType<typeof turnOf>['kind'], policy: RoutePolicy): string {
  switch (turn) {
    case 'go':
      return 'goes on';
    case 'wait':
      return `${waitText(policy)}${problemText('sequence-waiting')}`;
    case 'missing':
      return `${waitText(policy)}${problemText('sequence-gap')}`;
    case 'blocked':
      return problemText('sequence-blocked');
    case 'expired':
      return problemText('producer-unknown');
    default:
      return unreachable(turn);
  }
}

function waitText({ inFlight }: RoutePolicy): string {
  return inFlight.kind === 'reject' ? '' : `waits up to ${formatDuration(inFlight.waitMs)}, else `;
}
