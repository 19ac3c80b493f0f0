import { seededRandom } from '../../support/seeded.ts';

/** Every choice of a history, drawn from one seed. */
export type Draw = {
  /** True in this part of the cases. */
  chance(part: number): boolean;
  /** From `least` up to and including `most`. */
  int(least: number, most: number): number;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  /** Small mostly, now and then a hundred times as long. */
  delayMs(): number;
};

export function createDraw(seed: number): Draw {
  const random = seededRandom(seed);
  const int = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  return {
    chance: (part) => random() < part,
    int,
    pick: (items) => items[int(0, items.length - 1)] ?? items[0],
    delayMs: () => (random() < 0.9 ? int(1, 30) / 10 : int(3, 300)),
  };
}
