import { type Arrival, type CountingBackend, startCountingBackend } from './counting-backend.ts';

/** A backend of documents, one for each path, that remembers every write it made and what each of them overwrote. */

export type Write = { readonly path: string; readonly content: string; readonly over: string | null };

export type DocumentBackend = {
  readonly backend: CountingBackend;
  readonly writes: readonly Write[];
  /** What the next write waits for after it was made, and before it is answered; once. */
  holdNextWrite(): { readonly made: Promise<void>; readonly release: () => void };
  /** Statuses of the writes to come, in order; none of them is made. */
  refuseWith(...statuses: readonly number[]): void;
  content(path: string): string | null;
};

/** own: it gives out ETags and honours `If-Match`. none: it knows of no conditions. */
export async function startDocumentBackend(etags: 'own' | 'none'): Promise<DocumentBackend> {
  const documents = new Map<string, string>();
  const writes: Write[] = [];
  const refusals: number[] = [];
  let hold: { readonly made: () => void; readonly released: Promise<void> } | null = null;

  const tagOf = (path: string): string => `"${writes.filter((write) => write.path === path).length}"`;
  const tagFields = (path: string): Readonly<Record<string, string>> =>
    etags === 'own' ? { ETag: tagOf(path) } : {};

  function read(arrival: Arrival, path: string): void {
    const content = documents.get(path);
    if (content === undefined) arrival.answer(404, '{}');
    else arrival.answer(200, content, tagFields(path));
  }

  function conditionFails({ request }: Arrival, path: string): boolean {
    if (etags === 'none') return false;
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
    if (ifNoneMatch === '*' && documents.has(path)) return true;
    return ifMatch !== undefined && ifMatch !== '*' && ifMatch !== tagOf(path);
  }

  async function write(arrival: Arrival, path: string): Promise<void> {
    const refusal = refusals.shift();
    if (refusal !== undefined) return arrival.answer(refusal, '{}');
    if (conditionFails(arrival, path)) return arrival.answer(412, '{}');
    arrival.execute();
    writes.push({ path, content: arrival.body, over: documents.get(path) ?? null });
    if (arrival.request.method === 'DELETE') documents.delete(path);
    else documents.set(path, arrival.body);
    const holding = hold;
    hold = null;
    holding?.made();
    await holding?.released;
    arrival.answer(200, arrival.body, tagFields(path));
  }

  /** A part of a document is written by `/title` and the like; here they are all one. */
  const documentOf = (url: string): string => (url.split('?')[0] ?? '').replace(/\/title$/, '');

  const backend = await startCountingBackend((arrival) => {
    const path = documentOf(arrival.request.url ?? '');
    if (arrival.request.method === 'GET') read(arrival, path);
    else void write(arrival, path);
  });
  return {
    backend,
    writes,
    holdNextWrite() {
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const made = new Promise<void>((resolve) => {
        hold = { made: resolve, released };
      });
      return { made, release };
    },
    refuseWith: (...statuses) => void refusals.push(...statuses),
    content: (path) => documents.get(path) ?? null,
  };
}
