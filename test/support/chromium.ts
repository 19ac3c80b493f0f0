import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Debian's Chromium, driven over its DevTools protocol: pages, and what a person does with mouse and keys. */

export type Page = {
  open(url: string): Promise<void>;
  /** What an expression comes to in the page, as JSON has it. */
  evaluate(expression: string): Promise<unknown>;
  /**
   * Presses the mouse on the middle of an element, and once more at the same place when `again` is over. While a page
   * is on its way, mouse and keys are all that is heard: `evaluate` would wait for it.
   */
  press(selector: string, again?: () => Promise<unknown>): Promise<void>;
};

export type Browser = { readonly page: Page; close(): Promise<void> };

const ARGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--remote-debugging-port=0'],
];
const START_MS_MAX = 60_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startChromium(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'onceward-chromium-'));
  const child = spawn('/usr/bin/chromium', [...ARGS, `--user-data-dir=${folder}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const tools = await connect(await addressOf(child));
  const { targetId } = await tools.call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await tools.call('Target.attachToTarget', { targetId, flatten: true });
  const session = String(sessionId);
  await tools.call('Page.enable', {}, session);
  return {
    page: pageOf((method, params) => tools.call(method, params, session)),
    async close() {
      child.kill('SIGKILL');
      await ended;
      running.delete(child);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`chromium does not start: ${said}`)), START_MS_MAX);
    child.once('error', reject);
    child.once('close', () => reject(new Error(`chromium ended: ${said}`)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const address = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}

type Members = Readonly<Record<string, unknown>>;
type Call = (method: string, params: Members) => Promise<Members>;

async function connect(
  address: string,
): Promise<{ call(method: string, params: Members, session?: string): Promise<Members> }> {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('no connection to chromium')));
  });
  const waiting = new Map<number, { resolve(result: Members): void; reject(error: Error): void }>();
  let last = 0;
  socket.addEventListener('message', ({ data }) => {
    const {
      id,
      result = {},
      error,
    } = JSON.parse(String(data)) as {
      id?: number;
      result?: Members;
      error?: { message: string };
    };
    const one = id === undefined ? undefined : waiting.get(id);
    if (id === undefined || one === undefined) return;
    waiting.delete(id);
    if (error === undefined) one.resolve(result);
    else one.reject(new Error(error.message));
  });
  return {
    call(method, params, session) {
      last += 1;
      const id = last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        socket.send(
          JSON.stringify({ id, method, params, ...(session === undefined ? {} : { sessionId: session }) }),
        );
      });
    },
  };
}

function pageOf(call: Call): Page {
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result } = await call('Runtime.evaluate', { expression, returnByValue: true });
    return typeof result === 'object' && result !== null && 'value' in result ? result.value : undefined;
  };
  return {
    evaluate,
    async open(url) {
      await call('Page.navigate', { url });
    },
    async press(selector, again) {
      const box = `document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()`;
      const x = await evaluate(`${box}.x + ${box}.width / 2`);
      const y = await evaluate(`${box}.y + ${box}.height / 2`);
      const click = async (clickCount: number): Promise<void> => {
        for (const type of ['mousePressed', 'mouseReleased'])
          await call('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount });
      };
      await click(1);
      if (again === undefined) return;
      await again();
      await click(2);
    },
  };
}
