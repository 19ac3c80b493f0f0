import { type Cells, StoreUnavailable } from '../../src/store/contract.ts';

const refuse = (): Promise<never> =>
  Promise.reject(new StoreUnavailable('error', 'this store of a test has no cells', { sent: 'no' }));

/** For a store whose test is about records. */
export const NO_CELLS: Cells = { read: refuse, write: refuse, changed: refuse };
