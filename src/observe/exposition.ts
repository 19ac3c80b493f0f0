import { escapeLabelValue, type Family, type HistogramCell, type NumberCell } from './instruments.ts';

/**
 * The two text formats of a scrape: Prometheus text 0.0.4 and OpenMetrics 1.0. Written here and not by prom-client,
 * whose registry renames its counters for good at the first OpenMetrics scrape, so that it can serve only one format.
 */

export type Sample = {
  readonly suffix: '' | '_bucket' | '_sum' | '_count';
  readonly labels: string;
  readonly value: number;
};
export type SampleFamily = {
  /** As in the text format: a counter ends in `_total`. */
  readonly name: string;
  readonly kind: string;
  readonly help: string;
  readonly samples: readonly Sample[];
};

export type Scrape = { readonly contentType: string; readonly body: string };

export type Format = 'text' | 'openmetrics';

const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

export function contentType(format: Format): string {
  return CONTENT_TYPES[format];
}

/** OpenMetrics only where `Accept` prefers it or likes it as much (RFC 9110 section 12.5.1). */
export function negotiate(accept: string | undefined): Format {
  if (accept === undefined || !accept.toLowerCase().includes('application/openmetrics-text')) return 'text';
  let openmetrics = 0;
  let text = 0;
  for (const range of accept.toLowerCase().slice(0, 2_048).split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const weight = weightOf(parameters);
    if (type === 'application/openmetrics-text') openmetrics = Math.max(openmetrics, weight);
    else if (type === 'text/plain') text = Math.max(text, weight);
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text';
}

function weightOf(parameters: readonly string[]): number {
  const found = parameters.find((parameter) => parameter.startsWith('q='));
  if (found === undefined) return 1;
  const weight = Number(found.slice(2));
  return weight >= 0 && weight <= 1 ? weight : 0;
}

export function renderExposition(families: readonly SampleFamily[], format: Format): string {
  const lines: string[] = [];
  for (const family of families) {
    if (family.samples.length === 0) continue;
    writeFamily(lines, family, format);
  }
  if (format === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

/** `accept`: the field of the scrape, for OpenMetrics. */
export function scrapeOf(families: readonly SampleFamily[], accept: string | undefined): Scrape {
  const format = negotiate(accept);
  return { contentType: contentType(format), body: renderExposition(families, format) };
}

function writeFamily(lines: string[], family: SampleFamily, format: Format): void {
  const base =
    format === 'openmetrics' && family.kind === 'counter' ? family.name.replace(/_total$/, '') : family.name;
  const unit = /_(seconds|bytes)$/.exec(base)?.[1];
  lines.push(`# TYPE ${base} ${family.kind}`);
  if (format === 'openmetrics' && unit !== undefined) lines.push(`# UNIT ${base} ${unit}`);
  lines.push(`# HELP ${base} ${escapeHelp(family.help, format)}`);
  // Samples of a counter carry `_total` in both formats; only its metadata differ.
  for (const { suffix, labels, value } of family.samples) {
    lines.push(`${family.name}${suffix}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}`);
  }
}

function escapeHelp(help: string, format: Format): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return format === 'openmetrics' ? escaped.replaceAll('"', '\\"') : escaped;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** As OpenMetrics wants floats (`1.0`), in both formats: a change of format must not start new series. */
function boundText(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
}

export function numberSamples(family: Family<NumberCell>): SampleFamily {
  const samples: Sample[] = [];
  for (const [labels, cell] of family.cells) samples.push({ suffix: '', labels, value: cell.value });
  return {
    name: family.definition.name,
    kind: family.definition.kind,
    help: family.definition.help,
    samples,
  };
}

export function histogramSamples(family: Family<HistogramCell>): SampleFamily {
  const { name, kind, help, buckets } = family.definition;
  const samples: Sample[] = [];
  for (const [labels, cell] of family.cells) {
    const prefix = labels === '' ? '' : `${labels},`;
    let count = 0;
    for (let at = 0; at < cell.counts.length; at += 1) {
      count += cell.counts[at] ?? 0;
      const bound = buckets[at];
      samples.push({
        suffix: '_bucket',
        labels: `${prefix}le="${bound === undefined ? '+Inf' : boundText(bound)}"`,
        value: count,
      });
    }
    samples.push({ suffix: '_sum', labels, value: cell.sum }, { suffix: '_count', labels, value: count });
  }
  return { name, kind, help, samples };
}

export function singleSample(
  definition: { readonly name: string; readonly kind: string; readonly help: string },
  value: number | null,
): SampleFamily {
  const samples: readonly Sample[] = value === null ? [] : [{ suffix: '', labels: '', value }];
  return { name: definition.name, kind: definition.kind, help: definition.help, samples };
}

/** `name="value",…` of labels that come as an object. */
export function labelsText(labels: Readonly<Record<string, string | number | undefined>>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(labels)) {
    if (value === undefined) continue;
    const text =
      name === 'le' && typeof value === 'number' ? boundText(value) : escapeLabelValue(String(value));
    parts.push(`${name}="${text}"`);
  }
  return parts.join(',');
}
