import { formatDuration } from '../../config/units.ts';

type Body = Readonly<Record<string, unknown>>;

/** A row for each record; what a cell has no word for is left empty. */
export function keyTable(body: Body): string {
  const records = Array.isArray(body.records) ? body.records.map((record): Body => ({ ...record })) : [];
  if (records.length === 0) return 'no records\n';
  const rows = [
    ['RECORD KEY', 'STATE', 'FOR', 'REASON', 'TOKEN', 'EXPIRES IN'],
    ...records.map((record) => [
      word(record.recordKey),
      word(record.state),
      record.state === 'unknown' ? span(record.unknownForMs) : '',
      word(record.reason),
      word(record.token),
      span(record.expiresInMs),
    ]),
  ];
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const more = typeof body.cursor === 'string' ? `more: --cursor '${body.cursor}'\n` : '';
  return `${lines.join('\n')}\n${more}`;
}

/** A line for each member, those of the response below it. */
export function recordText(body: Body): string {
  return lines(body, '');
}

function lines(body: Body, indent: string): string {
  return Object.entries(body)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => {
      if (typeof value === 'object' && !Array.isArray(value))
        return `${indent}${name}:\n${lines({ ...value }, `${indent}  `)}`;
      const text = name.endsWith('Ms') ? span(value) : Array.isArray(value) ? value.join(', ') : word(value);
      return `${indent}${name.replace(/Ms$/, '')}: ${text}\n`;
    })
    .join('');
}

function word(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function span(value: unknown): string {
  return typeof value === 'number' ? formatDuration(Math.round(value / 1000) * 1000) : '';
}
