import type { MetricDefinition } from './metric-table.ts';

/**
 * Series as plain cells. prom-client builds a label object and a hash string for every increment; here a caller
 * holds the cell and adds to a number.
 */

/** The value of a label that is in no closed set: a defect of ours, which must neither throw nor make series. */
export const OTHER = 'other';

export type NumberCell = { value: number };

export type HistogramCell = {
  /** One for each bound, then one for all above; not cumulative. */
  readonly counts: Float64Array;
  sum: number;
};

export type Family<Cell> = {
  readonly definition: MetricDefinition;
  /** By the text of the labels as it is written: `route="a",outcome="executed"`. */
  readonly cells: ReadonlyMap<string, Cell>;
  /** The cell of these label values, in the order of the table. Not for hot paths: see Children. */
  child(values: readonly string[]): Cell;
};

export function numberFamily(definition: MetricDefinition): Family<NumberCell> {
  return family(definition, () => ({ value: 0 }));
}

export function histogramFamily(definition: MetricDefinition): Family<HistogramCell> {
  const size = definition.buckets.length + 1;
  return family(definition, () => ({ counts: new Float64Array(size), sum: 0 }));
}

function family<Cell>(definition: MetricDefinition, make: () => Cell): Family<Cell> {
  const cells = new Map<string, Cell>();
  return {
    definition,
    cells,
    child(values) {
      const text = labelText(definition, values);
      let cell = cells.get(text);
      if (cell === undefined) {
        cell = make();
        cells.set(text, cell);
      }
      return cell;
    },
  };
}

function labelText(definition: MetricDefinition, values: readonly string[]): string {
  return definition.labels
    .map((label, at) => {
      const value = values[at] ?? OTHER;
      const known = typeof label.values === 'string' || label.values.includes(value);
      return `${label.name}="${escapeLabelValue(known ? value : OTHER)}"`;
    })
    .join(',');
}

export function escapeLabelValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/** The cells of a family that differ in one label: a single Map lookup for each request. */
export class Children<Cell> {
  readonly #cells = new Map<string, Cell>();
  readonly #make: (value: string) => Cell;
  readonly #known: ReadonlySet<string>;

  constructor(values: readonly string[], make: (value: string) => Cell) {
    this.#make = make;
    this.#known = new Set(values);
  }

  get(value: string): Cell {
    return this.#cells.get(value) ?? this.#first(value);
  }

  #first(value: string): Cell {
    // Values outside the set share one entry, or a defect would grow this map without end.
    const name = this.#known.has(value) ? value : OTHER;
    let cell = this.#cells.get(name);
    if (cell === undefined) {
      cell = this.#make(name);
      this.#cells.set(name, cell);
    }
    return cell;
  }
}

/** What is not a number, or negative (a clock read in the wrong order), counts as 0. */
export function observe(cell: HistogramCell, bounds: readonly number[], value: number): void {
  const sane = value > 0 ? value : 0;
  let at = 0;
  while (at < bounds.length && sane > (bounds[at] ?? Number.POSITIVE_INFINITY)) at += 1;
  cell.counts[at] = (cell.counts[at] ?? 0) + 1;
  cell.sum += sane;
}
