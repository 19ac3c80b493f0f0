import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Folder, temporaryFolder } from '../support/child-proxy.ts';
import { startProxyWith, type TestProxy } from '../support/proxy.ts';
import { createSigner, ISSUER, jwksText, makeToken } from '../support/tokens.ts';
import { attack } from './oracle.ts';
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts';
import { valuesOf } from './strict-http.ts';

/** Fifty principals, each with an answer of its own under a key that all others know, and tricks to get at it. */

const PRINCIPALS = 50;
const signer = createSigner('one');
const TOKENS = Array.from({ length: PRINCIPALS }, (_none, who) => makeToken(signer, { sub: `s-${who}` }));
/** Of every route: the field lines that say who asks. */
const ROUTES: Readonly<Record<string, (who: number) => string>> = {
  authorization: (who) => `Authorization: Bearer token-${who}`,
  tenant: (who) => `X-Tenant: tenant-${who}`,
  cookie: (who) => `Cookie: a=b; session=s-${who}`,
  token: (who) => `Authorization: Bearer ${TOKENS[who] ?? ''}`,
};

/** How a caller may try to be another as well: its own line, and one of the other's that some parser may read. */
const TRICKS: Readonly<Record<string, (own: string, other: string) => readonly string[]>> = {
  NONE: (own) => [own],
  SPACE: (own, other) => [own, other.replace(':', ' :')],
  TAB: (own, other) => [own, other.replace(':', '\t:')],
  WRAP: (own, other) => [own, 'X: y', ` ${other}`],
  LPAD: (own, other) => [` ${other}`, own],
  HOP: (own, other) => [other, own, `Connection: ${own.split(':')[0]}`],
  DUPE: (own, other) => [other, own],
  UNDER: (own, other) => [own, other.replace('-', '_').replace(/^([A-Za-z]+):/, '$1_x:')],
  NWRAP: (own, other) => [`X: y\n${other}`, own],
  RWRAP: (own, other) => [`X: y\r${other}`, own],
};

let proxy: TestProxy;
let upstream: RecordingUpstream;
let folder: Folder;
beforeAll(async () => {
  folder = temporaryFolder();
  writeFileSync(`${folder.path}/keys.json`, jwksText(signer));
  // The answer says whose it is.
  upstream = await startRecordingUpstream(({ fields }) => {
    const body = `owner ${valuesOf(fields, 'x-owner').join()}`;
    return Buffer.from(`HTTP/1.1 200 OK\r\nX-Backend: yes\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  proxy = await startProxyWith(
    [
      'listen: 127.0.0.1:0',
      'observe: off',
      'admin: off',
      `upstream: { url: "http://127.0.0.1:${upstream.port}" }`,
      'store: "memory:"',
      'drain: { timeout: 0s }',
      'log: { level: silent }',
      `jwt: { issuers: [{ issuer: "${ISSUER}", jwks: "${folder.path}/keys.json", audience: any }] }`,
      'routes:',
      '  - { name: authorization, match: { path: /authorization } }',
      '  - { name: tenant, match: { path: /tenant }, scope: { headers: [X-Tenant] } }',
      '  - { name: cookie, match: { path: /cookie }, scope: { headers: [], cookies: [session] } }',
      '  - { name: token, match: { path: /token }, scope: { jwt: { claims: [sub] } } }',
    ].join('\n'),
  );
});
afterAll(async () => {
  await proxy.close();
  await upstream.close();
  folder.remove();
});

async function bodyOf(route: string, key: string, who: number, lines: readonly string[]): Promise<string> {
  const fields = ['Host: a', `Idempotency-Key: ${key}`, `X-Owner: ${who}.`, ...lines, 'Content-Length: 0'];
  const text = [`POST /${route} HTTP/1.1`, ...fields, '', ''].join('\r\n');
  const { answers } = await attack(proxy.port, { parts: [Buffer.from(text, 'latin1')] });
  return answers.map(({ status, body }) => `${status} ${body.toString()}`).join(' | ');
}

describe.each(Object.keys(ROUTES))('on a route whose scope is the %s', (route) => {
  const lineOf = ROUTES[route] ?? (() => '');

  it('no answer of one of fifty principals comes to another, whatever it hides', async () => {
    const everyone = Array.from({ length: PRINCIPALS }, (_none, who) => who);
    for (const who of everyone)
      expect(await bodyOf(route, `${route}-${who}`, who, [lineOf(who)])).toBe(`200 owner ${who}.`);
    const tricks = Object.entries(TRICKS);
    const crossed: string[] = [];
    for (const other of everyone) {
      const found = await Promise.all(
        everyone
          .filter((who) => who !== other)
          .map(async (who) => {
            const [name, trick] = tricks[(who + other) % tricks.length] ?? ['NONE', (own: string) => [own]];
            const answer = await bodyOf(route, `${route}-${other}`, who, trick(lineOf(who), lineOf(other)));
            return answer.includes(`owner ${other}.`) ? `${name}: ${who} got the answer of ${other}` : '';
          }),
      );
      crossed.push(...found.filter((text) => text !== ''));
    }

    expect(crossed).toEqual([]);
    // Its own answer is still there for each of them.
    for (const who of everyone)
      expect(await bodyOf(route, `${route}-${who}`, who, [lineOf(who)])).toBe(`200 owner ${who}.`);
  });
});
