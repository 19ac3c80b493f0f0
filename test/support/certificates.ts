import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** An authority of the test's own, and what it issues, made by openssl. */

const run = promisify(execFile);
const KEY_WORDS = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export type Issued = { readonly certFile: string; readonly keyFile: string };

export type Authority = {
  readonly folder: string;
  readonly caFile: string;
  /** `alternativeNames` as openssl writes them: `DNS:localhost,IP:127.0.0.1`. `days` may be negative: expired. */
  issue(name: string, what?: { readonly alternativeNames?: string; readonly days?: number }): Promise<Issued>;
  remove(): Promise<void>;
};

async function openssl(...args: readonly string[]): Promise<void> {
  try {
    await run('openssl', [...args]);
  } catch (error) {
    throw new Error('this test needs the openssl binary (Debian package openssl)', { cause: error });
  }
}

export async function createAuthority(name = 'Test authority'): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'onceward-ca-'));
  const caFile = join(folder, 'ca.pem');
  const caKeyFile = join(folder, 'ca.key');
  await openssl(
    'req',
    '-x509',
    ...KEY_WORDS,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    caKeyFile,
    '-out',
    caFile,
  );
  let issued = 0;
  return {
    folder,
    caFile,
    async issue(subject, { alternativeNames = 'DNS:localhost,IP:127.0.0.1', days = 2 } = {}) {
      issued += 1;
      const base = join(folder, `${issued}`);
      const [certFile, keyFile, requestFile, extensionFile] = [
        `${base}.pem`,
        `${base}.key`,
        `${base}.csr`,
        `${base}.ext`,
      ];
      await writeFile(extensionFile, `subjectAltName=${alternativeNames}\n`);
      await openssl(
        'req',
        '-new',
        ...KEY_WORDS,
        '-subj',
        `/CN=${subject}`,
        '-keyout',
        keyFile,
        '-out',
        requestFile,
      );
      const signed = [
        'x509',
        '-req',
        '-in',
        requestFile,
        '-CA',
        caFile,
        '-CAkey',
        caKeyFile,
        '-CAcreateserial',
      ];
      await openssl(...signed, '-days', `${days}`, '-extfile', extensionFile, '-out', certFile);
      return { certFile, keyFile };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
