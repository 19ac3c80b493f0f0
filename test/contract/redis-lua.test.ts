import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LUA_FOLDER, SCRIPT_NAMES } from '../../src/store/redis/scripts.ts';

type LuaFile = { readonly name: string; readonly header: string; readonly code: string };

const files: readonly LuaFile[] = readdirSync(LUA_FOLDER).map((file) => {
  const lines = readFileSync(join(LUA_FOLDER, file), 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('--'));
  const code = lines.slice(end).filter((line) => !line.trimStart().startsWith('--'));
  return { name: file.replace(/\.lua$/, ''), header: lines.slice(0, end).join('\n'), code: code.join('\n') };
});

function numbers(text: string, pattern: RegExp): readonly number[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => Number(match[1])))].sort((a, b) => a - b);
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

describe('every Lua script', () => {
  it('is known by its name, and every name has a script', () => {
    expect(files.map(({ name }) => name).sort()).toEqual([...SCRIPT_NAMES].sort());
  });

  it.each(files)('$name has a header with purpose, guarantee, keys and returns', ({ header }) => {
    for (const part of ['-- Purpose: ', '-- Guarantee: ', '-- KEYS[1] ', '-- Returns: ']) {
      expect(header).toContain(part);
    }
  });

  it.each(files)('$name uses exactly the keys that its header names', ({ header, code }) => {
    const documented = numbers(header, /^-- KEYS\[(\d+)\] /gm);

    expect(documented).toEqual(upTo(documented.length));
    expect(numbers(code, /\bKEYS\[(\d+)\]/g)).toEqual(documented);
    expect(code.match(/\bKEYS\b(?!\[\d+\])/g)).toBeNull();
  });

  it.each(files)('$name uses exactly the arguments that its header names', ({ header, code }) => {
    const documented = numbers(header, /^-- ARGV\[(\d+)\] /gm);

    expect(documented).toEqual(upTo(documented.length));
    expect(numbers(code, /\bARGV\[(\d+)\]/g)).toEqual(documented);
    expect(code.match(/\bARGV\b(?!\[\d+\])/g)).toBeNull();
  });

  it.each(files)('$name touches no key but those it was given', ({ code }) => {
    const commands = [...code.matchAll(/redis\.call\('([A-Z]+)',?\s*([^,)\s]*)/g)];
    const wrong = commands.filter(
      ([, command, first]) => command !== 'TIME' && command !== 'PUBLISH' && first !== 'KEYS[1]',
    );

    expect(commands.length).toBeGreaterThan(0);
    expect(wrong.map(([call]) => call)).toEqual([]);
    expect(code).not.toMatch(/redis\.pcall/);
  });

  it.each(files)('$name writes numbers of time and token in full', ({ code }) => {
    // tostring and .. round to 14 digits, a token has 16.
    expect(code).not.toMatch(/tostring\(/);
    expect(code).not.toMatch(/\.\. *(?:now_|token)/);
  });
});

describe('the settling scripts', () => {
  it.each(
    files.filter(({ name }) => ['complete', 'release', 'release-owner', 'park', 'resolve'].includes(name)),
  )('$name sets the expiry before anything that a full memory would refuse', ({ code }) => {
    const first = /redis\.call\('(PEXPIRE|HSET|HDEL|DEL|PUBLISH)'/.exec(code);

    expect(first?.[1]).toBe('PEXPIRE');
  });
});
