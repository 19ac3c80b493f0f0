import { readFileSync } from 'node:fs';
import process from 'node:process';

const MB = 1e6;

/**
 * What another process holds, or this one. Its whole resident set counts the pages of the LMDB file which the kernel
 * happens to cache for it and takes back at will; memory of its own is anonymous.
 */
export function residentOf(pid: number = process.pid): {
  readonly anonymousMb: number;
  readonly residentMb: number;
} {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kbOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return { anonymousMb: (kbOf('RssAnon') * 1024) / MB, residentMb: (kbOf('VmRSS') * 1024) / MB };
}
