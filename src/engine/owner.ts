import type { Owner } from '../core/record.ts';

const OWNER_BYTES = 16;
const POOL_OWNERS = 256;

/** Fresh 128-bit owners; random bytes are fetched for many at once, since each fetch is a system call. */
export function createOwners(randomBytes: (bytes: number) => Buffer): () => Owner {
  let pool: Buffer = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at === pool.length) {
      pool = randomBytes(OWNER_BYTES * POOL_OWNERS);
      at = 0;
    }
    at += OWNER_BYTES;
    return pool.toString('hex', at - OWNER_BYTES, at);
  };
}
