import type { SequencePolicy } from '../core/producer.ts';
import type { Policy } from './schema-policy.ts';

export function resolveSequence(sequence: Policy['sequence']): SequencePolicy | null {
  if (sequence === 'off') return null;
  return {
    presence: sequence.required ? 'required' : 'optional',
    producerRetainMs: sequence.producerRetain,
    unknownProducer: sequence.unknownProducer,
  };
}
