import { describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import { lockOf, lockResources } from '../../src/core/lock-policy.ts';
import type { RoutePolicy } from '../../src/core/policy.ts';

const CONFIG = `
upstream: { url: "http://127.0.0.1:3000" }
store: "memory:"
defaults: { scope: { anonymous: allow } }
routes:
  - name: locked
    match: { path: "/a/{id}/**" }
    lock:
      resources: ["/a/{id}", "/t/{tenant}/{id}", "/j/{n}"]
      capture: { tenant: { header: X-Tenant }, n: { json: /n } }
  - { name: watched, mode: observe, match: { path: "/b/{id}" }, lock: "/b/{id}" }
`;

function policyOf(name: string): RoutePolicy {
  const loaded = loadConfigText(CONFIG, 'test.yaml', {});
  const found = loaded.kind === 'ok' ? loaded.config.routes.find((route) => route.name === name) : undefined;
  if (found === undefined) throw new Error(JSON.stringify(loaded));
  return found;
}

function resources(target: string, tenant: string, body: string): readonly string[] | string {
  const lock = lockOf(policyOf('locked'), 'unsafe');
  if (lock === null) throw new Error('it takes no lock');
  const head = { method: 'POST', target, httpVersion: '1.1', rawHeaders: ['X-Tenant', tenant] };
  const named = lockResources(lock, head, Buffer.from(body));
  return named.kind === 'resources' ? named.resources : named.detail;
}

describe('what a request locks', () => {
  it('is named by segments, fields and members, and sorted', () => {
    expect(resources('/a/7/x?y', 'acme', '{"n":5}')).toEqual(['/a/7', '/j/5', '/t/acme/7']);
  });

  it('is the same thing however the segment is escaped, and never two things in one name', () => {
    expect(resources('/a/%37', 'acme', '{"n":"x"}')).toEqual(['/a/7', '/j/x', '/t/acme/7']);
    expect(resources('/a/7', 'acme/7', '{"n":"x"}')).toEqual(['/a/7', '/j/x', '/t/acme%2F7/7']);
  });

  it.each([
    ['/a/7', '', '{"n":5}', 'the header field x-tenant'],
    ['/a/%zz', 'acme', '{"n":5}', 'the part {id} of the path'],
    ['/a/7', 'acme', '{"n":null}', 'the JSON body member /n'],
    ['/a/7', 'acme', 'no json', 'the JSON body member /n'],
    ['/a/7', 'x'.repeat(513), '{"n":5}', 'the header field x-tenant'],
  ])('of %s, %s, %s is told to be missing: %s', (target, tenant, body, place) => {
    expect(resources(target, tenant, body)).toContain(place);
  });

  it('is nothing for a safe request, a route without a lock, and one that only observes', () => {
    expect(lockOf(policyOf('locked'), 'safe')).toBeNull();
    expect(lockOf(policyOf('locked'), 'idempotent')).not.toBeNull();
    expect(lockOf(policyOf('watched'), 'unsafe')).toBeNull();
  });
});
