import type { RawAnswer } from '../support/answer-reader.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import type { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { differences } from './check.ts';
import type { ConformanceCase, Expect, RequestSpec, Step } from './model.ts';

/** Runs one case against a proxy that stands in front of the scripted upstream. */

export type Stage = {
  readonly proxy: { readonly host: string; readonly port: number };
  readonly upstream: ScriptedUpstream;
  /** Makes callers, and keys of callers that share a scope, new in every run. */
  readonly run: string;
};

/** Empty: the case holds. */
export async function playCase(stage: Stage, conformance: ConformanceCase): Promise<readonly string[]> {
  const player = new Player(stage, conformance);
  try {
    for (const [index, step] of conformance.steps.entries()) {
      const found = await player.perform(step, index + 1);
      if (found.length > 0) return found.map((text) => `step ${index + 1}: ${text}`);
    }
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    player.close();
  }
}

/** An `until` asks again this often, at most this long: the states it waits for come within two seconds. */
const UNTIL_PAUSE_MS = 25;
const UNTIL_MS_MAX = 8_000;

class Player {
  readonly #stage: Stage;
  readonly #case: ConformanceCase;
  readonly #connections = new Map<string, RawClient>();
  readonly #clients = new Set<RawClient>();
  readonly #begun = new Map<string, { readonly client: RawClient; readonly method: string }>();
  readonly #answers = new Map<number, RawAnswer>();

  constructor(stage: Stage, conformance: ConformanceCase) {
    this.#stage = stage;
    this.#case = conformance;
  }

  async perform(step: Step, number: number): Promise<readonly string[]> {
    const { upstream } = this.#stage;
    const { id } = this.#case;
    switch (step.do) {
      case 'exchange':
        if (step.script !== undefined) upstream.script(id, step.script);
        return await this.#exchange(step.request, step.expect, number);
      case 'begin':
        return await this.#begin(step);
      case 'open':
        upstream.open(id, step.gate);
        return [];
      case 'finish': {
        const begun = this.#begun.get(step.name);
        if (begun === undefined) return [`nothing called ${step.name} was begun`];
        return await this.#judge(begun.client, begun.method, step.expect, number);
      }
      case 'leave':
        this.#begun.get(step.name)?.client.reset();
        return [];
      case 'until':
        return await this.#until(step.request, step.expect, number);
      default:
        throw new Error(`no such step: ${JSON.stringify(step satisfies never)}`);
    }
  }

  close(): void {
    for (const client of this.#clients) client.socket.destroy();
  }

  async #exchange(request: RequestSpec, expect: Expect, number: number): Promise<readonly string[]> {
    const client = await this.#connection(request.connection);
    client.send(this.#bytesOf(request));
    return await this.#judge(client, methodOf(request), expect, number);
  }

  async #begin(step: Extract<Step, { do: 'begin' }>): Promise<readonly string[]> {
    const { upstream } = this.#stage;
    const hits = upstream.seen(this.#case.id).length;
    if (step.script !== undefined) upstream.script(this.#case.id, step.script);
    const client = await this.#connection(step.request.connection);
    client.send(this.#bytesOf(step.request));
    this.#begun.set(step.name, { client, method: methodOf(step.request) });
    if (step.script !== undefined) await upstream.hit(this.#case.id, hits + 1);
    return [];
  }

  async #until(request: RequestSpec, expect: Expect, number: number): Promise<readonly string[]> {
    const endMs = performance.now() + UNTIL_MS_MAX;
    for (;;) {
      const found = await this.#exchange(request, expect, number);
      if (found.length === 0 || performance.now() > endMs) return found;
      await new Promise((resolve) => setTimeout(resolve, UNTIL_PAUSE_MS));
    }
  }

  async #judge(
    client: RawClient,
    method: string,
    expect: Expect,
    number: number,
  ): Promise<readonly string[]> {
    const answer = await client.answer(method);
    this.#answers.set(number, answer);
    const seen = this.#stage.upstream.seen(this.#case.id);
    const found = differences(expect, {
      answer,
      seen,
      earlier: this.#answers,
      fill: (text) => this.#fill(text),
    });
    if (expect.connection === 'closed') await client.closed();
    return found;
  }

  async #connection(name: string | undefined): Promise<RawClient> {
    const known = name === undefined ? undefined : this.#connections.get(name);
    if (known !== undefined) return known;
    const client = await connectRaw(this.#stage.proxy.port, this.#stage.proxy.host);
    this.#clients.add(client);
    if (name !== undefined) this.#connections.set(name, client);
    return client;
  }

  #fill(text: string, target = ''): string {
    const { proxy, run } = this.#stage;
    const { id, policy } = this.#case;
    const values: Readonly<Record<string, string>> = {
      host: `${proxy.host}:${proxy.port}`,
      path: `/conf/${id}/${policy}`,
      caller: `Bearer ${id}-${run}`,
      run,
      target,
    };
    return text.replace(/\{(host|path|caller|run|target)\}/g, (_whole, name: string) => values[name] ?? '');
  }

  #bytesOf(spec: RequestSpec): string {
    const target =
      spec.target === undefined
        ? `/conf/${this.#case.id}/${this.#case.policy}${spec.path ?? ''}`
        : this.#fill(spec.target);
    if (spec.raw !== undefined) return this.#fill(spec.raw, target);
    const lines: string[] = [`${methodOf(spec)} ${target} HTTP/1.1`, this.#fill('Host: {host}')];
    if (spec.caller === undefined) lines.push(this.#fill('Authorization: {caller}'));
    else if (spec.caller !== null)
      lines.push(this.#fill(`Authorization: Bearer ${spec.caller}-${this.#case.id}-{run}`));
    if (spec.key !== undefined) lines.push(this.#fill(`Idempotency-Key: ${spec.key}`));
    for (const [name, value] of spec.headers ?? []) lines.push(`${name}: ${this.#fill(value)}`);
    const body = spec.body ?? '';
    const framing =
      spec.framing ?? (body === '' ? (methodOf(spec) === 'POST' ? 'length' : 'none') : 'length');
    if (framing === 'none') return `${lines.join('\r\n')}\r\n\r\n`;
    if (framing === 'length') return `${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const trailers = (spec.trailers ?? [])
      .map(([name, value]) => `${name}: ${this.#fill(value)}\r\n`)
      .join('');
    const middle = Math.ceil(body.length / 2);
    const chunks = [body.slice(0, middle), body.slice(middle)]
      .filter((part) => part !== '')
      .map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
    return `${lines.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n${trailers}\r\n`;
  }
}

function methodOf(spec: RequestSpec): string {
  return spec.method ?? 'POST';
}
