import { proposedConfig } from '../../../src/cli/audit/audit-openapi.ts';
import { loadConfigText } from '../../../src/config/load.ts';
import type { ResolvedConfig } from '../../../src/config/resolved.ts';
import { matchRoute } from '../../../src/core/route.ts';

/** A document, the configuration that is proposed for it, and which of its routes a request takes. */

export const UPSTREAM = 'http://127.0.0.1:3000';

export function proposed(document: unknown): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  const yaml = proposedConfig(text, 'api.yaml', UPSTREAM);
  if (yaml.kind === 'fault') throw new Error(yaml.message);
  return yaml.text;
}

export function loaded(yaml: string): ResolvedConfig {
  const config = loadConfigText(yaml, 'proposed.yaml', {});
  if (config.kind === 'faults') throw new Error(config.faults.map(({ text }) => text).join('\n'));
  return config.config;
}

export function routeOf(
  config: ResolvedConfig,
  method: string,
  path: string,
): ResolvedConfig['routes'][number] | null {
  return matchRoute(config.routes, { method, host: 'shop.example', path, rawHeaders: [] });
}

export function api(paths: object, more: object = {}): object {
  return { openapi: '3.0.3', info: { title: 'x', version: '1' }, paths, ...more };
}
