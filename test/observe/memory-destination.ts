import type { LogDestination } from '../../src/observe/log.ts';
import type { RequestFields } from '../../src/observe/request-line.ts';

export type MemoryDestination = LogDestination & { readonly lines: readonly string[] };

export function memoryDestination(): MemoryDestination {
  const lines: string[] = [];
  return {
    lines,
    write(line) {
      lines.push(line);
    },
    linesDropped: () => 0,
    close: () => Promise.resolve(),
  };
}

export function requestFields(fields: Partial<RequestFields> = {}): RequestFields {
  return {
    route: 'payments',
    requestClass: 'unsafe',
    outcome: 'executed',
    status: 201,
    durationMs: 12.345678,
    method: 'POST',
    target: '/v1/payments?card=4111111111111111',
    recordKey: '0123456789abcdefghijklmnopqrstuvwxyzABCDEFG',
    attempt: 1,
    problem: null,
    upstreamMs: 10.5,
    bytesIn: 100,
    bytesOut: 200,
    peer: '10.0.0.1',
    ...fields,
  };
}
