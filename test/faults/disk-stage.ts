import { join } from 'node:path';
import { baseConfig, type ChildProxy, startChildProxy, temporaryFolder } from '../support/child-proxy.ts';
import { type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { type DiskFault, failDisk } from '../support/failing-disk.ts';
import { freePort } from '../support/free-port.ts';
import { type PrivateDisk, startPrivateDisk } from '../support/private-disk.ts';
import { type Answer, keyed, problemCode, sendRequest, until } from '../support/send-request.ts';

/** Two proxies over one LMDB store on a small disk of its own. */

const LEASE_MS = 3_000;

export type Node = { proxy: ChildProxy; readonly observePort: number; readonly config: string };
export type Stage = {
  readonly disk: PrivateDisk;
  readonly backend: CountingBackend;
  readonly nodes: readonly Node[];
  readonly seen: Seen;
};
type Seen = {
  /** Faults told by name, in the problem of a new claim and on /readyz. */
  told: number;
  replayed: number;
  recovered: number;
  failedCalls: number;
  claimedAfterFailedSync: number;
  /** By the driver's own failed write. */
  ended: number;
};

export async function setUp(closers: (() => Promise<void> | void)[]): Promise<Stage> {
  const backend = await startCountingBackend();
  closers.push(() => backend.close());
  const folder = temporaryFolder();
  closers.push(() => folder.remove());
  const disk = await startPrivateDisk('size=64m');
  closers.push(() => disk.remove());
  const nodes: Node[] = [];
  closers.push(async () => {
    for (const { proxy } of nodes) await proxy.kill();
  });
  for (const name of ['a', 'b']) {
    const observePort = await freePort();
    const config = folder.config(
      {
        ...baseConfig(backend.origin, { url: `lmdb:${disk.path}/data`, deadline: '1s' }),
        observe: { listen: `127.0.0.1:${observePort}` },
        defaults: { lease: `${LEASE_MS}ms` },
      },
      `${name}.yaml`,
    );
    nodes.push({ proxy: await start(disk, config), observePort, config });
  }
  const seen = { told: 0, replayed: 0, recovered: 0, failedCalls: 0, claimedAfterFailedSync: 0, ended: 0 };
  return { disk, backend, nodes, seen };
}

export function start(disk: PrivateDisk, config: string): Promise<ChildProxy> {
  return startChildProxy(['--config', config], { enter: disk.enter });
}

export function fail(
  { disk }: Stage,
  { proxy }: Node,
  calls: DiskFault['calls'],
  error: DiskFault['error'],
): ReturnType<typeof failDisk> {
  const folder = join(disk.path, 'data');
  return failDisk({
    pid: proxy.pid,
    files: [folder, join(folder, 'data.mdb'), join(folder, 'probe')],
    calls,
    error,
  });
}

export async function keep(nodes: readonly Node[], name: string): Promise<void> {
  for (const node of nodes) await charged(node, `kept-${name}`);
}

/** The readiness of a second ago may still be told. */
export async function tells(node: Node, reason: string, key: string): Promise<string> {
  try {
    const answer = await charge(node, key);
    if (problemCode(answer) !== 'store-unavailable' || !answer.body.includes(`(${reason})`))
      return answer.body.toString();
    const ready = await readiness(node);
    return ready.status === 503 && ready.text.includes(`"${reason}"`) ? 'told' : ready.text;
  } catch (error) {
    return String(error);
  }
}

export function charge(node: Node, key: string): Promise<Answer> {
  return sendRequest(node.proxy.port, { headers: keyed(key) });
}

export async function charged(node: Node, key: string): Promise<void> {
  await until(
    () => charge(node, key),
    ({ status }) => status === 201,
  );
}

export async function readiness(node: Node): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`http://127.0.0.1:${node.observePort}/readyz`);
  return { status: answer.status, text: await answer.text() };
}
