import { parseArgs } from 'node:util';
import type { Loaded } from '../config/load.ts';
import type { ResolvedConfig } from '../config/resolved.ts';
import { watchConfig } from '../config/watch.ts';
import { WATCH_MS } from '../config/watch-content.ts';
import type { App } from '../lifecycle.ts';
import type { Io } from './io.ts';
import { CONFIG_OPTIONS, flagConflict, loadFrom } from './load-from.ts';
import { version } from './version.ts';

export const RUN_USAGE = `onceward run --config FILE
onceward run --upstream URL [--listen HOST:PORT] [--admin HOST:PORT] [--store memory: | lmdb:PATH | redis://… | postgres://…]
             [--workers N | auto]

Stands in front of the backend until SIGTERM or SIGINT; then drains: no new connections, what is in flight ends,
exit 0. A second signal ends at once. SIGHUP, or a change of the file, loads the routes anew.

Without a file everything has its default, a request is protected where it carries an Idempotency-Key, and callers
without credentials share one scope. With a file: onceward check FILE first.

  --config FILE      the configuration (docs/configuration.md)
  --upstream URL     the backend, such as http://127.0.0.1:3000
  --listen H:P       where clients connect; default 127.0.0.1:8080
  --admin H:P        one port for health, metrics and admin; default: metrics on :9464, admin on 127.0.0.1:9465
  --store WHERE      memory:, lmdb:PATH, redis://… or postgres://…; default lmdb:./onceward-data
  --workers N        processes that take requests, or auto: one for each core; default 1`;

export async function runProxy(args: readonly string[], io: Io): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: CONFIG_OPTIONS, strict: true });
  if ((values.config === undefined) === (values.upstream === undefined)) {
    io.err('onceward run: give either --config FILE or --upstream URL.\n');
    return 2;
  }
  const conflict = flagConflict(values);
  if (conflict !== null) {
    io.err(`onceward run: ${conflict}.\n`);
    return 2;
  }
  const loaded = await loadFrom(values, io);
  if (loaded.kind === 'faults') {
    for (const fault of loaded.faults) io.err(`${fault.text}\n`);
    return 1;
  }
  for (const warning of loaded.config.warnings) io.err(`onceward: warning: ${warning}\n`);
  // Only now: servers and drivers take longer to load than all the rest, and the other commands need none.
  const { startApp } = await import('../app.ts');
  const app = await startApp({ config: loaded.config, configFile: values.config ?? null, version });
  announce(app, loaded.config, io);
  return await serve(
    app,
    values.config === undefined ? null : { path: values.config, contentHash: loaded.contentHash },
    io,
  );
}

function announce(app: App, config: ResolvedConfig, io: Io): void {
  if (!io.isTty()) return;
  io.err(
    `onceward ${version} listens on http://${app.address.host}:${app.address.port} in front of ${config.upstream.origin}\n`,
  );
}

/** `contentHash`: what the process runs on; a change between loading and listening is a change like any other. */
type WatchedFile = { readonly path: string; readonly contentHash: string };

/** Until the first signal, or until it cannot go on; then until drained. */
async function serve(app: App, file: WatchedFile | null, io: Io): Promise<number> {
  const reload = (loaded: Loaded): void => app.reload(loaded);
  const watcher =
    file === null
      ? null
      : watchConfig({
          file: file.path,
          contentHash: file.contentHash,
          env: io.env,
          intervalMs: WATCH_MS,
          onChange: reload,
        });
  const stopHup = io.onSignal(['SIGHUP'], () => watcher?.checkNow());
  try {
    const why = await new Promise<{ readonly failure: string | null }>((resolve) => {
      let signals = 0;
      io.onSignal(['SIGTERM', 'SIGINT'], () => {
        signals += 1;
        if (signals === 1) resolve({ failure: null });
        else {
          app.endNow();
          io.exitNow(1);
        }
      });
      app.onDrainAsked(() => resolve({ failure: null }));
      app.onFailed((failure) => resolve({ failure }));
    });
    await app.drain();
    if (why.failure === null) return 0;
    io.err(`onceward run: ${why.failure}\n`);
    return 1;
  } finally {
    stopHup();
    watcher?.stop();
  }
}
