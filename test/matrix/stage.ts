import { type CountingBackend, executeAndAnswer, startCountingBackend } from '../support/counting-backend.ts';
import { freePort } from '../support/free-port.ts';
import { type OtherKind, type OtherProxy, startOther } from '../support/other-proxies.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { blocksOf, type Place, recipeOf, swap } from './recipe.ts';

/** client → the proxy before → Onceward → the proxy behind → a counting backend, each as its recipe says. */

export type Cell = {
  readonly name: string;
  readonly before: OtherKind | null;
  readonly behind: OtherKind | null;
  /** Between Onceward and its neighbour; default `http1`. */
  readonly speaks?: { readonly before?: 'http1' | 'http2'; readonly behind?: 'http1' | 'http2' };
};

/** What a reader of the recipe changes in it. */
export type Changes = {
  readonly before?: (text: string) => string;
  readonly behind?: (text: string) => string;
  readonly onceward?: (text: string) => string;
};

export type Stage = {
  /** Where clients connect. */
  readonly port: number;
  readonly backend: CountingBackend;
  readonly onceward: TestProxy;
  readonly before: OtherProxy | null;
  readonly behind: OtherProxy | null;
  close(): Promise<void>;
};

const asPrinted = (text: string): string => text;

export async function stageCell(cell: Cell, changes: Changes = {}): Promise<Stage> {
  const closers: (() => Promise<unknown>)[] = [];
  const backend = await startCountingBackend(executeAndAnswer, 'echoed');
  closers.push(() => backend.close());
  let upstreamPort = backend.port;
  let behind: OtherProxy | null = null;
  if (cell.behind !== null) {
    behind = await start(cell.behind, 'behind', upstreamPort, (text) =>
      (changes.behind ?? asPrinted)(cell.speaks?.behind === 'http2' ? overHttp2(text) : text),
    );
    upstreamPort = behind.port;
    closers.push(behind.kill);
  }
  const onceward = await startProxyWith(
    [
      (changes.onceward ?? asPrinted)(oncewardRecipe(cell, upstreamPort)),
      'observe: off',
      'admin: off',
      'drain: { timeout: 0s }',
    ].join('\n'),
  );
  closers.push(() => onceward.close());
  let before: OtherProxy | null = null;
  if (cell.before !== null) {
    const towards = onceward.port;
    before = await start(cell.before, 'before', towards, (text) =>
      (changes.before ?? asPrinted)(
        cell.speaks?.before === 'http2'
          ? swap(text, `127.0.0.1:${towards}`, `127.0.0.1:${towards} proto h2`)
          : text,
      ),
    );
    closers.push(before.kill);
  }
  return {
    port: before?.port ?? onceward.port,
    backend,
    onceward,
    before,
    behind,
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

export async function start(
  kind: OtherKind,
  place: Place,
  towards: number,
  change: (text: string) => string = asPrinted,
): Promise<OtherProxy> {
  const port = await freePort();
  return await startOther(kind, change(recipeOf(kind, place, port, towards)), port);
}

/** As both recipes say below "behind Onceward". */
function oncewardRecipe(cell: Cell, upstreamPort: number): string {
  const [printed = ''] = blocksOf(`behind-${cell.behind ?? 'nginx'}.md`, 'yaml');
  const url = swap(printed, '127.0.0.1:8081', `127.0.0.1:${upstreamPort}`);
  const upstream =
    cell.speaks?.behind === 'http2'
      ? swap(url, `:${upstreamPort} }`, `:${upstreamPort}, protocol: http2 }`)
      : url;
  const listen = swap(swap(upstream, '127.0.0.1:8080', '127.0.0.1:0'), 'lmdb:./onceward-data', '"memory:"');
  return cell.speaks?.before === 'http2' ? `${listen}http2: prior-knowledge` : listen;
}

/** The line it listens with, with HTTP/2 by prior knowledge. */
function overHttp2(text: string): string {
  return text.replace(/listen (127[^;]*);/, 'listen $1 http2;').replace(/bind (\S+)/, 'bind $1 proto h2');
}
