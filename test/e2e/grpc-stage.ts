import { readFile } from 'node:fs/promises';
import {
  type Client,
  credentials,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';

/** A real client and a real server of gRPC, and the proxy between them; closed after each test. */

let authority: Authority;
let own: Issued;
const closers: (() => unknown)[] = [];
beforeAll(async () => {
  authority = await createAuthority();
  own = await authority.issue('proxy');
});
afterAll(() => authority.remove());
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const text = {
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
};
export const unary: MethodDefinition<string, string> = {
  path: '/shop.Orders/Create',
  requestStream: false,
  responseStream: false,
  ...text,
};
const feed: MethodDefinition<string, string> = { ...unary, path: '/shop.Orders/Feed', responseStream: true };
const SERVICE = { create: unary, feed };

export type Handler = (
  call: ServerUnaryCall<string, string>,
  done: sendUnaryData<string>,
  execution: number,
) => void;
export type Backend = {
  readonly port: number;
  executions(): number;
  behave(handler: Handler): void;
  killNow(): void;
  last(): Metadata | null;
};

export const answer: Handler = (call, done, execution) => {
  const trailers = new Metadata();
  trailers.set('x-execution', String(execution));
  trailers.set('x-bytes-bin', Buffer.from([0, 255, 10]));
  done(null, `${execution}: ${call.request}`, trailers);
};

export async function startBackend(): Promise<Backend> {
  let handler = answer;
  let executions = 0;
  let last: Metadata | null = null;
  const server = new Server();
  const handlers: UntypedServiceImplementation = {
    create: (call: ServerUnaryCall<string, string>, done: sendUnaryData<string>) => {
      executions += 1;
      last = call.metadata;
      handler(call, done, executions);
    },
    feed: (call: ServerWritableStream<string, string>) => {
      for (const word of call.request.split(' ')) call.write(word);
      call.end();
    },
  };
  server.addService(SERVICE, handlers);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  closers.push(() => server.forceShutdown());
  return {
    port,
    executions: () => executions,
    behave: (next) => {
      handler = next;
    },
    killNow: () => server.forceShutdown(),
    last: () => last,
  };
}

export async function proxyTo(
  backend: Backend,
  how: 'clear' | 'tls' = 'clear',
  route = '',
): Promise<TestProxy> {
  const proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: off',
      'admin: off',
      how === 'clear'
        ? 'http2: prior-knowledge'
        : `tls: { certificate: "${own.certFile}", key: "${own.keyFile}" }`,
      `upstream: { url: "http://127.0.0.1:${backend.port}", protocol: http2 }`,
      'store: "memory:"',
      'drain: { timeout: 0s }',
      `routes: [{ name: orders, match: { path: /shop.Orders/* }, profile: grpc, scope: { anonymous: allow }${route} }]`,
    ].join('\n'),
  );
  closers.push(() => proxy.close());
  return proxy;
}

export type Called = {
  readonly code: number;
  readonly details: string;
  readonly value: string | null;
  readonly trailers: Metadata;
  readonly head: Metadata | null;
};

type Options = { readonly key?: string; readonly value?: string; readonly deadlineMs?: number };
export type Caller = {
  call(options?: Options): Promise<Called>;
  stream(value: string): Promise<readonly string[]>;
};

export async function clientOf(
  proxy: TestProxy,
  how: 'clear' | 'tls' = 'clear',
  options: object = {},
): Promise<Caller> {
  const trust =
    how === 'clear' ? credentials.createInsecure() : credentials.createSsl(await readFile(authority.caFile));
  const Made = makeGenericClientConstructor(SERVICE, 'Orders');
  const client = new Made(`127.0.0.1:${proxy.port}`, trust, {
    'grpc.ssl_target_name_override': 'localhost',
    ...options,
  }) as unknown as Client;
  closers.push(() => client.close());
  return {
    call: ({ key, value = 'tea', deadlineMs } = {}) =>
      new Promise((resolve) => {
        const metadata = new Metadata();
        if (key !== undefined) metadata.set('idempotency-key', key);
        const deadline = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
        let head: Metadata | null = null;
        let done: { error: ServiceError | null; value: string | null } | null = null;
        const call = client.makeUnaryRequest(
          ...([
            unary.path,
            unary.requestSerialize,
            unary.responseDeserialize,
            value,
            metadata,
            deadline,
          ] as const),
          (error, got) => {
            done = { error, value: got ?? null };
          },
        );
        call.on('metadata', (got) => {
          head = got;
        });
        call.on('status', ({ code, details, metadata: trailers }) =>
          setImmediate(() => resolve({ code, details, value: done?.value ?? null, trailers, head })),
        );
      }),
    stream: (value) =>
      new Promise((resolve, reject) => {
        const words: string[] = [];
        const call = client.makeServerStreamRequest(
          feed.path,
          feed.requestSerialize,
          feed.responseDeserialize,
          value,
        );
        call.on('data', (word: string) => words.push(word));
        call.on('end', () => resolve(words));
        call.on('error', reject);
      }),
  };
}
