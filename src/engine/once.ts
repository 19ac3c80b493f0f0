/** The first call counts: what may be noticed at several places is one incident. */
export function once(run: () => void): () => void {
  let done: 'no' | 'yes' = 'no';
  return () => {
    if (done === 'no') run();
    done = 'yes';
  };
}
