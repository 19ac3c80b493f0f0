import { describe, expect, it } from 'vitest';
import { classifyMethod, mayBeKeyed } from '../../src/core/classify.ts';
import { METHODS } from '../../src/core/method.ts';

describe('the method registry', () => {
  it('names every method once', () => {
    const names = METHODS.map(({ name }) => name);

    expect(new Set(names).size).toBe(names.length);
    expect(names).toHaveLength(41);
  });

  it('has no method that is safe and not idempotent (RFC 9110 section 9.2.2)', () => {
    expect(METHODS.filter(({ safe, idempotent }) => safe === 'safe' && idempotent !== 'idempotent')).toEqual(
      [],
    );
  });

  it('says yes or no of every method, and nothing else', () => {
    for (const { name, safe, idempotent } of METHODS) {
      expect(name).toMatch(/^(?:\*|[A-Z-]{3,})$/);
      expect(['safe', 'unsafe'], name).toContain(safe);
      expect(['idempotent', 'not-idempotent'], name).toContain(idempotent);
    }
  });

  it('has few that are neither safe nor idempotent', () => {
    const neither = METHODS.filter(({ idempotent }) => idempotent === 'not-idempotent');

    expect(neither.map(({ name }) => name)).toEqual(['*', 'CONNECT', 'LOCK', 'PATCH', 'POST']);
  });

  it('says for every method where it is defined', () => {
    expect(METHODS.filter(({ source }) => !/^RFC \d+ section [\d.]+$/.test(source))).toEqual([]);
  });
});

describe('classification', () => {
  it.each([
    ['GET', 'safe'],
    ['HEAD', 'safe'],
    ['OPTIONS', 'safe'],
    ['TRACE', 'safe'],
    ['QUERY', 'safe'],
    ['PROPFIND', 'safe'],
    ['REPORT', 'safe'],
    ['SEARCH', 'safe'],
    ['PRI', 'safe'],
    ['PUT', 'idempotent'],
    ['DELETE', 'idempotent'],
    ['MKCOL', 'idempotent'],
    ['COPY', 'idempotent'],
    ['MOVE', 'idempotent'],
    ['UNLOCK', 'idempotent'],
    ['LINK', 'idempotent'],
    ['UNLINK', 'idempotent'],
    ['POST', 'unsafe'],
    ['PATCH', 'unsafe'],
    ['LOCK', 'unsafe'],
    ['CONNECT', 'unsafe'],
    ['*', 'unsafe'],
  ])('%s is %s', (method, expected) => {
    expect(classifyMethod(method)).toBe(expected);
  });

  it.each(['PURGE', 'BREW', 'get', 'Put', '', 'constructor', '__proto__'])(
    'the unregistered method %j counts as not idempotent',
    (method) => {
      expect(classifyMethod(method)).toBe('unsafe');
    },
  );

  it.each([
    ['safe', 'bypass', 'no'],
    ['safe', 'keyed', 'no'],
    ['idempotent', 'bypass', 'no'],
    ['idempotent', 'keyed', 'yes'],
    ['unsafe', 'bypass', 'yes'],
    ['unsafe', 'keyed', 'yes'],
  ] as const)(
    'a key on a request of class %s under %s makes a record: %s',
    (requestClass, idempotentMethods, expected) => {
      expect(mayBeKeyed(requestClass, { idempotentMethods })).toBe(expected);
    },
  );
});
