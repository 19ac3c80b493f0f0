import { describe, expect, it } from 'vitest';
import { readConditions } from '../../src/core/precondition.ts';
import { withoutOurConditions, withVersion } from '../../src/core/version-fields.ts';

const sent = (...rawHeaders: readonly string[]) =>
  withoutOurConditions(rawHeaders, readConditions(rawHeaders));

describe('what a backend gets of a condition on our tags', () => {
  it('is nothing, with the dates that count for nothing beside it', () => {
    expect(sent('If-Match', '"a"', 'If-Unmodified-Since', 'd', 'X', '1')).toEqual(['X', '1']);
    expect(sent('If-None-Match', '"a"', 'IF-MODIFIED-SINCE', 'd', 'X', '1')).toEqual(['X', '1']);
    expect(sent('Range', 'bytes=0-1', 'If-Range', '"a"', 'X', '1')).toEqual(['X', '1']);
  });

  it.each([
    [['If-Match', '*']],
    [['If-None-Match', '*']],
    [['If-Unmodified-Since', 'd']],
    [['If-Modified-Since', 'd']],
    [['Range', 'bytes=0-1']],
  ])('is all of %j', (rawHeaders) => {
    expect(sent(...rawHeaders)).toEqual(rawHeaders);
  });
});

describe('what a client gets', () => {
  it('is the version as the only ETag, and that of the backend under another name', () => {
    expect(withVersion(['X', '1', 'etag', 'W/"own"'], 'vabc')).toEqual([
      ...['X', '1', 'Onceward-Upstream-ETag', 'W/"own"'],
      ...['ETag', '"vabc"'],
    ]);
  });

  it('is no ETag where there is no version to tell', () => {
    expect(withVersion(['ETag', '"own"'], null)).toEqual(['Onceward-Upstream-ETag', '"own"']);
  });

  it('is another tag for each representation of a version', () => {
    const tagOf = (...rawHeaders: readonly string[]) => withVersion(rawHeaders, 'vabc').at(-1);
    const coded = tagOf('Content-Encoding', 'gzip', 'Vary', 'Accept-Encoding');
    const plain = tagOf('Vary', 'Accept-Encoding');
    const xml = tagOf('Vary', 'Accept', 'Content-Type', 'application/xml');

    expect(new Set([coded, plain, xml]).size).toBe(3);
    expect([coded, plain, xml].every((tag) => /^"vabc\.[0-9a-f]{8}"$/.test(tag ?? ''))).toBe(true);
    expect(tagOf('Vary', 'Accept', 'content-type', 'application/xml')).toBe(xml);
  });

  it('is readable by a script of another origin', () => {
    expect(withVersion(['Access-Control-Allow-Origin', '*'], 'vabc').slice(-2)).toEqual([
      'Access-Control-Expose-Headers',
      'ETag',
    ]);
  });
});
