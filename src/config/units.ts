/** Durations, sizes and addresses as they are written in the configuration, and back. */

export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'fault'; readonly message: string };

type Unit = { readonly name: string; readonly factor: number };

const DURATION_UNITS: readonly Unit[] = [
  { name: 'd', factor: 86_400_000 },
  { name: 'h', factor: 3_600_000 },
  { name: 'm', factor: 60_000 },
  { name: 's', factor: 1000 },
  { name: 'ms', factor: 1 },
];

const SIZE_UNITS: readonly Unit[] = [
  { name: 'GiB', factor: 1024 ** 3 },
  { name: 'GB', factor: 1000 ** 3 },
  { name: 'MiB', factor: 1024 ** 2 },
  { name: 'MB', factor: 1000 ** 2 },
  { name: 'KiB', factor: 1024 },
  { name: 'kB', factor: 1000 },
  { name: 'B', factor: 1 },
];

export const DURATION_PATTERN = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$';
export const SIZE_PATTERN = '^[0-9]+(\\.[0-9]+)?(B|kB|KiB|MB|MiB|GB|GiB)$';

/** `15s`, `500ms`, `1.5h`, `7d` to milliseconds. */
export function parseDuration(text: string): Parsed<number> {
  return parseUnits(
    text,
    DURATION_UNITS,
    'needs a unit, such as 500ms, 15s, 5m, 24h or 7d',
    'is not a whole number of milliseconds',
  );
}

/** `64kB`, `1MiB`, `8GiB` to bytes. */
export function parseSize(text: string): Parsed<number> {
  return parseUnits(
    text,
    SIZE_UNITS,
    'needs a unit, such as 512B, 16KiB, 1MiB or 8GiB',
    'is not a whole number of bytes',
  );
}

/** In the largest unit that keeps it a whole number. */
export function formatDuration(durationMs: number): string {
  return formatUnits(durationMs, DURATION_UNITS, '0s');
}

export function formatSize(sizeBytes: number): string {
  return formatUnits(sizeBytes, SIZE_UNITS, '0B');
}

function parseUnits(
  text: string,
  units: readonly Unit[],
  needsUnit: string,
  notWhole: string,
): Parsed<number> {
  const match = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)([A-Za-z]+)$/.exec(text);
  const [, digits, name] = match ?? [];
  if (digits === undefined || name === undefined) return { kind: 'fault', message: needsUnit };
  const unit = units.find((known) => known.name === name);
  if (unit === undefined) {
    // Case tells mega from milli and kilo from Kelvin; a near miss is named, never guessed.
    const near = units.find((known) => known.name.toLowerCase() === name.toLowerCase());
    const advice = near === undefined ? '' : `; did you mean ${near.name}?`;
    return {
      kind: 'fault',
      message: `has an unknown unit; use ${units.map((known) => known.name).join(', ')}${advice}`,
    };
  }
  // 1.5h is exact, 0.1ms is not; the tolerance is that of the multiplication alone.
  const scaled = Number(digits) * unit.factor;
  const value = Math.round(scaled);
  if (Math.abs(scaled - value) > 1e-6) return { kind: 'fault', message: notWhole };
  if (!Number.isSafeInteger(value)) return { kind: 'fault', message: 'is too large' };
  return { kind: 'ok', value };
}

function formatUnits(value: number, units: readonly Unit[], zero: string): string {
  if (value === 0) return zero;
  const unit = units.find(({ factor }) => value % factor === 0);
  return unit === undefined ? zero : `${value / unit.factor}${unit.name}`;
}

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` (every IPv4 address). Port 0 takes a free one. */
export function parseListen(text: string): Parsed<{ readonly host: string; readonly port: number }> {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null) {
    return {
      kind: 'fault',
      message: 'is not an address; write host:port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080',
    };
  }
  if (port > 65_535) return { kind: 'fault', message: 'has a port above 65535' };
  const host = match[1] ?? match[2] ?? '';
  return { kind: 'ok', value: { host: host === '' ? '0.0.0.0' : host, port } };
}
