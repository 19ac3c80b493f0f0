import type { RawHeaders } from '../core/wire.ts';

/** As node takes fields: repeated ones are lists, in their order. Without a prototype, for the names are the backend's. */
export function fieldRecord(rawHeaders: RawHeaders): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const before = fields[name];
    fields[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return fields;
}
