import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OtherKind } from '../support/other-proxies.ts';

/** The configurations that the recipes print, so that what is read there is what is run here. */

const FOLDER = join(import.meta.dirname, '../../docs/recipes');
export const RECIPES = ['behind-nginx.md', 'behind-haproxy.md'] as const;

/** The blocks of that language, in order. */
export function blocksOf(recipe: (typeof RECIPES)[number], language: string): readonly string[] {
  const text = readFileSync(join(FOLDER, recipe), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === language)
    .map((match) => match[2] ?? '');
}

export type Place = 'before' | 'behind';

const BLOCKS: Readonly<Record<OtherKind, readonly Place[]>> = {
  nginx: ['before', 'behind'],
  haproxy: ['before', 'behind'],
};

/** With these ports in the place of the printed ones. */
export function recipeOf(kind: OtherKind, place: Place, port: number, towards: number): string {
  const block = blocksOf(`behind-${kind}.md`, kind)[BLOCKS[kind].indexOf(place)] ?? '';
  const [own, other] = place === 'behind' ? ['8081', '3000'] : ['80', '8080'];
  const listen =
    kind === 'nginx'
      ? [`listen ${own}`, `listen 127.0.0.1:${port}`]
      : [`bind :${own}`, `bind 127.0.0.1:${port}`];
  const [printed = '', instead = ''] = listen;
  return swap(swap(block, printed, instead), `127.0.0.1:${other}`, `127.0.0.1:${towards}`);
}

/** The recipe as a reader changes it; what is not there cannot be changed. */
export function swap(text: string, printed: string, instead: string): string {
  if (!text.includes(printed)) throw new Error(`the recipe does not say ${JSON.stringify(printed)}`);
  return text.replace(printed, instead);
}
