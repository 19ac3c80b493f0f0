import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

/** The programs of others that the tests run for real, and the Debian package each comes in. */
const TOOLS: readonly Tool[] = [
  { binary: '/usr/bin/redis-server', debianPackage: 'redis-server' },
  { binary: '/usr/bin/prometheus', debianPackage: 'prometheus' },
  { binary: '/usr/bin/promtool', debianPackage: 'prometheus' },
  { binary: '/usr/bin/spin', debianPackage: 'spin' },
  { binary: '/usr/bin/gcc', debianPackage: 'gcc' },
  // The server; the commands in /usr/bin come with a client alone.
  { binary: '/usr/lib/postgresql/*/bin/postgres', debianPackage: 'postgresql' },
  { binary: '/usr/lib/*/faketime/libfaketime.so.1', debianPackage: 'libfaketime' },
  { binary: '/usr/sbin/pgbouncer', debianPackage: 'pgbouncer' },
  { binary: '/usr/bin/openssl', debianPackage: 'openssl' },
  { binary: '/usr/bin/strace', debianPackage: 'strace' },
  { binary: '/usr/bin/chromium', debianPackage: 'chromium' },
  { binary: '/usr/sbin/nginx', debianPackage: 'nginx' },
  { binary: '/usr/sbin/haproxy', debianPackage: 'haproxy' },
  { binary: '/usr/bin/curl', debianPackage: 'curl' },
];

export type Tool = { readonly binary: string; readonly debianPackage: string };

/** Each Debian package once whose binary is not here. */
export function missingPackages(tools: readonly Tool[]): readonly string[] {
  const missing = tools.filter((tool) => globSync(tool.binary).length === 0);
  return [...new Set(missing.map((tool) => tool.debianPackage))];
}

/** Installs what is missing, as root on Debian; else says what to install. Returns 0, or 1 when something is missing. */
export function ensureTools(): number {
  const missing = missingPackages(TOOLS);
  if (missing.length === 0) return 0;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    process.stderr.write(
      `The tests run real servers. Install them first: apt-get install ${missing.join(' ')}\n`,
    );
    return 1;
  }
  process.stderr.write(`Installing ${missing.join(', ')} for the tests …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = ['-o', 'Dpkg::Options::=--force-confold', '-y', '--no-install-recommends'];
  for (const args of [['update'], ['install', ...quiet, ...missing]]) {
    const ran = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    if (ran.status !== 0) {
      process.stderr.write(
        `apt-get ${args[0]} failed; install by hand: apt-get install ${missing.join(' ')}\n`,
      );
      return 1;
    }
  }
  return 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = ensureTools();
