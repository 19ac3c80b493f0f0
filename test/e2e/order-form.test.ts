import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, startChromium } from '../support/chromium.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { until } from '../support/send-request.ts';
import { untilMetrics } from '../support/until.ts';

/** The recipe docs/recipes/order-form.yaml and its page, in a real browser. */

const RECIPES = join(import.meta.dirname, '../../docs/recipes');
const PAGE = readFileSync(join(RECIPES, 'order-form.html'), 'utf8');
const HTML = { 'Content-Type': 'text/html; charset=utf-8' };

let browser: Browser;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  browser = await startChromium();
  return () => browser.close();
}, 90_000);

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Stage = {
  readonly backend: CountingBackend;
  readonly proxy: TestProxy;
  readonly posts: readonly Arrival[];
};

/** A shop that takes an order and shows its page only when it is told to. */
async function stage(change: (recipe: string) => string = (recipe) => recipe): Promise<Stage> {
  const posts: Arrival[] = [];
  const backend = await startCountingBackend((arrival) => {
    if (arrival.request.method === 'GET') {
      arrival.answer(arrival.request.url === '/order' ? 200 : 404, PAGE, HTML);
      return;
    }
    arrival.execute();
    posts.push(arrival);
  });
  closers.push(() => backend.close());
  const text = readFileSync(join(RECIPES, 'order-form.yaml'), 'utf8')
    .replace('http://127.0.0.1:3000', backend.origin)
    .replace('lmdb:./onceward-data', 'memory');
  const proxy = await startProxyWith(
    `listen: 127.0.0.1:0\nobserve: { listen: 127.0.0.1:0 }\nadmin: off\n${change(text)}`,
  );
  closers.push(() => proxy.close());
  return { backend, proxy, posts };
}

async function openForm({ proxy }: Stage): Promise<void> {
  await browser.page.open(`http://127.0.0.1:${proxy.port}/order`);
}

const evaluated = (expression: string, fits: (value: unknown) => boolean): Promise<unknown> =>
  until(() => browser.page.evaluate(expression), fits);

function showOrder(arrival: Arrival | undefined, number: number): void {
  arrival?.answer(200, `<!doctype html><p id="order">order ${number}</p>`, HTML);
}

describe('a form whose button is pressed twice', () => {
  it('orders once, and shows the page of that order', async () => {
    const shop = await stage();
    await openForm(shop);
    await evaluated('document.querySelector("button")?.disabled', (disabled) => disabled === false);

    await browser.page.press('button', () =>
      until(
        async () => shop.posts.length,
        (posts) => posts === 1,
      ),
    );
    // The second press has broken off the first request, and waits in its place.
    await untilMetrics(shop.proxy, 'a second press that waits', (text) =>
      /^onceward_joined_waiters 1$/m.test(text),
    );
    showOrder(shop.posts[0], 1);

    expect(
      await evaluated(
        'document.querySelector("#order")?.textContent',
        (text) => text !== undefined && text !== null,
      ),
    ).toBe('order 1');
    expect(shop.backend.executionsOfAll()).toBe(1);
    expect(shop.posts[0]?.body).toMatch(/^_ticket=[A-Za-z0-9_-]{52}&count=1$/);
  });

  it('orders again when the form is opened again', async () => {
    const shop = await stage();
    for (const number of [1, 2]) {
      await openForm(shop);
      await evaluated('document.querySelector("button")?.disabled', (disabled) => disabled === false);
      await browser.page.press('button');
      await until(
        async () => shop.posts.length,
        (posts) => posts === number,
      );
      showOrder(shop.posts[number - 1], number);
      await evaluated('document.querySelector("#order")?.textContent', (text) => text === `order ${number}`);
    }

    expect(shop.backend.executionsOfAll()).toBe(2);
  });

  it('would order twice without a ticket', async () => {
    const shop = await stage((text) => text.replace(/^routes:[\s\S]*/m, ''));
    await openForm(shop);
    await evaluated('document.querySelector("button")?.disabled', (disabled) => disabled === false);

    await browser.page.press('button', () =>
      until(
        async () => shop.posts.length,
        (posts) => posts === 1,
      ),
    );

    await until(
      async () => shop.posts.length,
      (posts) => posts === 2,
    );
    for (const [index, post] of shop.posts.entries()) showOrder(post, index + 1);
    expect(shop.backend.executionsOfAll()).toBe(2);
  });
});
