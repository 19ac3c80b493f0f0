import { Agent } from 'node:http';
import { type Answer, keyed, problemCode, sendRequest } from './send-request.ts';

/** Many requests with one key at the same moment, over kept connections, spread over proxies. */

export type Tally = { executed: number; replayed: number; joined: number; inFlight: number };

export type Crowd = {
  /** One round: every client asks once. Rejects on an answer that no promise allows. */
  rush(key: string): Promise<Tally>;
  close(): void;
};

const AGENTS = 4;

export function startCrowd(ports: readonly number[], requests: number): Crowd {
  const agents = Array.from({ length: AGENTS }, (_, i) => ({
    agent: new Agent({ keepAlive: true, maxSockets: Math.ceil(requests / AGENTS), scheduling: 'fifo' }),
    port: ports[i % ports.length] ?? 0,
  }));
  return {
    async rush(key) {
      const headers = keyed(key);
      const answers = await Promise.all(
        Array.from({ length: requests }, (_, i) => {
          const { agent, port } = agents[i % AGENTS] ?? { port: 0 };
          return sendRequest(port, {
            headers,
            body: `{"for":"${key}"}`,
            ...(agent === undefined ? {} : { agent }),
          });
        }),
      );
      return tally(answers);
    },
    close() {
      for (const { agent } of agents) agent.destroy();
    },
  };
}

function tally(answers: readonly Answer[]): Tally {
  const counted: Tally = { executed: 0, replayed: 0, joined: 0, inFlight: 0 };
  let first: Buffer | null = null;
  for (const answer of answers) {
    const status = answer.headers['idempotency-status'];
    if (answer.status === 201) {
      first ??= answer.body;
      if (!answer.body.equals(first)) throw new Error(`two answers differ: ${first} and ${answer.body}`);
    }
    if (answer.status === 201 && status === 'executed') counted.executed += 1;
    else if (answer.status === 201 && status === 'replayed') counted.replayed += 1;
    else if (answer.status === 201 && status === 'joined') counted.joined += 1;
    else if (answer.status === 409 && problemCode(answer) === 'in-flight') counted.inFlight += 1;
    else throw new Error(`an answer that must not be: ${answer.status} ${String(status)} ${answer.body}`);
  }
  return counted;
}
