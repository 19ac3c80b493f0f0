import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseListen, parseSize } from '../../src/config/units.ts';

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['15s', 15_000],
    ['1.5h', 5_400_000],
    ['0.001s', 1],
    ['5m', 300_000],
    ['7d', 604_800_000],
  ])('%s is %i milliseconds', (text, durationMs) => {
    expect(parseDuration(text)).toEqual({ kind: 'ok', value: durationMs });
  });

  it.each([
    '',
    '15',
    's',
    '-1s',
    '1e3s',
    '1 s',
    '15S',
    '15sec',
    '0.5ms',
    '١s',
    '9999999999999999s',
    '900000000000000d',
    ' 1s',
    '1s ',
    '1s\n',
    '.5s',
    '1.s',
    '1m30s',
  ])('%j is refused', (text) => {
    expect(parseDuration(text).kind).toBe('fault');
  });

  it('is written so that it reads back as itself', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), (durationMs) => {
        expect(parseDuration(formatDuration(durationMs))).toEqual({ kind: 'ok', value: durationMs });
      }),
    );
  });
});

describe('a size', () => {
  it.each([
    ['0B', 0],
    ['512B', 512],
    ['64kB', 64_000],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['1.5MiB', 1_572_864],
    ['2MB', 2_000_000],
    ['8GiB', 8_589_934_592],
    ['1GB', 1_000_000_000],
  ])('%s is %i bytes', (text, sizeBytes) => {
    expect(parseSize(text)).toEqual({ kind: 'ok', value: sizeBytes });
  });

  it.each(['', '1', '1K', '1KB', '1mib', '1 MiB', '-1B', '0.5B', '1TiB', '9007199254740992B'])(
    '%j is refused',
    (text) => {
      expect(parseSize(text).kind).toBe('fault');
    },
  );

  it('with a unit in the wrong case is answered with the right one', () => {
    expect(parseSize('1mib')).toMatchObject({ message: expect.stringContaining('did you mean MiB?') });
  });

  it('is written so that it reads back as itself', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 45 }), (sizeBytes) => {
        expect(parseSize(formatSize(sizeBytes))).toEqual({ kind: 'ok', value: sizeBytes });
      }),
    );
  });
});

describe('an address', () => {
  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['localhost:0', 'localhost', 0],
    [':9464', '0.0.0.0', 9464],
    ['[::1]:80', '::1', 80],
  ])('%s is host %s, port %i', (text, host, port) => {
    expect(parseListen(text)).toEqual({ kind: 'ok', value: { host, port } });
  });

  it.each([
    '',
    '8080',
    'localhost',
    'localhost:',
    'a:65536',
    '::1:80',
    'http://a:80',
    'a:80/',
    '[::1]',
    'a b:1',
  ])('%j is refused', (text) => {
    expect(parseListen(text).kind).toBe('fault');
  });
});
