/** Asks again until the answer fits: for what becomes true without an event that a client could see. */
export async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + 15_000;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > endMs) throw new Error(`${what}: not within 15 s`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Polls the metrics of a proxy: a count is written after the answer went out. */
export async function untilMetrics(
  proxy: { readonly app: { readonly observeAddress: { readonly port: number } | null } },
  what: string,
  fits: (text: string) => boolean,
): Promise<string> {
  return await until(what, async () => {
    const answer = await fetch(`http://127.0.0.1:${proxy.app.observeAddress?.port}/metrics`);
    const text = await answer.text();
    return fits(text) ? text : null;
  });
}
