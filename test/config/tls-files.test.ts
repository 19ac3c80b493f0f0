import { copyFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTlsFiles, type TlsRead, watchTlsFiles } from '../../src/config/tls-files.ts';
import { type Authority, createAuthority, type Issued } from '../support/certificates.ts';

let authority: Authority;
let one: Issued;
let two: Issued;

beforeAll(async () => {
  authority = await createAuthority();
  one = await authority.issue('one');
  two = await authority.issue('two');
});

afterAll(() => authority.remove());

describe('readTlsFiles', () => {
  it('reads a pair and its authority, and tells until when the certificate holds', async () => {
    const read = await readTlsFiles({ certificate: one.certFile, key: one.keyFile, ca: authority.caFile });

    if (read.kind === 'faulty') throw new Error(read.message);
    const leftMs = (read.material.notAfterMs ?? 0) - Date.now();
    expect(leftMs).toBeGreaterThan(86_400_000);
    expect(leftMs).toBeLessThan(2 * 86_400_000 + 60_000);
  });

  it('takes an expired certificate for material: who meets it will judge it', async () => {
    const old = await authority.issue('old', { days: -1 });

    const read = await readTlsFiles({ certificate: old.certFile, key: old.keyFile, ca: null });

    expect(read.kind).toBe('material');
  });

  it.each([
    [
      'a key of another certificate',
      () => ({ certificate: one.certFile, key: two.keyFile, ca: null }),
      'does not belong',
    ],
    [
      'a certificate where the key should be',
      () => ({ certificate: one.certFile, key: one.certFile, ca: null }),
      'no PEM private key',
    ],
    [
      'a key where the certificate should be',
      () => ({ certificate: one.keyFile, key: one.keyFile, ca: null }),
      'no PEM certificate',
    ],
    [
      'an authority that is a key',
      () => ({ certificate: null, key: null, ca: one.keyFile }),
      'no PEM certificate',
    ],
    [
      'a file that is not there',
      () => ({ certificate: `${one.certFile}.gone`, key: one.keyFile, ca: null }),
      'ENOENT',
    ],
    ['a folder', () => ({ certificate: authority.folder, key: one.keyFile, ca: null }), 'EISDIR'],
  ])('says which file is wrong: %s', async (_what, files, words) => {
    const read = await readTlsFiles(files());

    expect(read).toMatchObject({ kind: 'faulty', message: expect.stringContaining(words) });
    expect(read.kind === 'faulty' && read.message).toContain(authority.folder);
  });

  it('keeps the private key out of its messages and its digest', async () => {
    const broken = join(authority.folder, 'broken.key');
    await writeFile(broken, '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n');

    const read = await readTlsFiles({ certificate: one.certFile, key: broken, ca: null });

    expect(read.kind).toBe('faulty');
    expect(JSON.stringify(read)).not.toContain('c2VjcmV0');
  });
});

describe('watchTlsFiles', () => {
  it('tells of a pair that was renamed over the old one, and of nothing before', async () => {
    const files = {
      certificate: join(authority.folder, 'live.pem'),
      key: join(authority.folder, 'live.key'),
      ca: null,
    };
    await copyFile(one.certFile, files.certificate);
    await copyFile(one.keyFile, files.key);
    const { digest } = await readTlsFiles(files);
    const wanted = await readTlsFiles({ certificate: two.certFile, key: two.keyFile, ca: null });
    const changed = Promise.withResolvers<TlsRead>();

    const watch = watchTlsFiles(files, {
      intervalMs: 5,
      known: digest,
      onChange: (read) => {
        // Between the two renames the pair does not fit.
        if (read.kind === 'material') changed.resolve(read);
      },
    });
    try {
      await copyFile(two.certFile, `${files.certificate}.new`);
      await copyFile(two.keyFile, `${files.key}.new`);
      await rename(`${files.certificate}.new`, files.certificate);
      await rename(`${files.key}.new`, files.key);
      expect((await changed.promise).digest).toBe(wanted.digest);
    } finally {
      watch.stop();
    }
  });
});
