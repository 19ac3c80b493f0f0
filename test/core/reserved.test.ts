import { describe, expect, it } from 'vitest';
import { loggedTarget, reservedName, reservedRest } from '../../src/core/reserved.ts';

describe('a path is below the reserved prefix', () => {
  const reserved = { prefix: '/.well-known/onceward' };
  it.each([
    ['/.well-known/onceward', ''],
    ['/.well-known/onceward/', ''],
    ['/.well-known/onceward/tasks/abc', 'tasks/abc'],
    ['/.well-known/onceward-other', null],
    ['/.well-known/once', null],
    ['/x/.well-known/onceward', null],
    ['/.Well-Known/onceward', null],
    ['/', null],
  ])('%s: %j', (path, rest) => {
    expect(reservedRest(reserved, path)).toBe(rest);
  });

  it('never, where nothing is reserved', () => {
    expect(reservedRest(null, '/.well-known/onceward')).toBeNull();
  });

  it.each([
    ['', { name: '', tail: '' }],
    ['tasks', { name: 'tasks', tail: '' }],
    ['tasks/abc/response', { name: 'tasks', tail: 'abc/response' }],
  ])('and %j names its resource', (rest, named) => {
    expect(reservedName(rest)).toEqual(named);
  });
});

describe('the target of a task', () => {
  it.each([
    [{ prefix: '/p' }, '/p/tasks/0123456789abcdef/response', '/p/tasks/0123456789ab…'],
    [{ prefix: '/p' }, 'http://h/p/tasks/0123456789abcdef?x', 'http://h/p/tasks/0123456789ab…'],
    [{ prefix: '/p' }, '/p/tasks/0123456789ab', '/p/tasks/0123456789ab'],
    [{ prefix: '/p' }, '/p/routes/0123456789abcdef', '/p/routes/0123456789abcdef'],
    [null, '/p/tasks/0123456789abcdef', '/p/tasks/0123456789abcdef'],
  ])('under %j, %s is logged as %s', (reserved, target, logged) => {
    expect(loggedTarget(reserved, target)).toBe(logged);
  });
});
