import { readFile } from 'node:fs/promises';

export type ResolveFlags = {
  /** Null: neither, or both. */
  readonly to: 'released' | 'completed' | null;
  readonly status: string | null;
  /** As given: text, or `@FILE`. */
  readonly data: string | null;
  readonly fields: Readonly<Record<string, string>>;
};

/** What the admin port is told, but for the token. A string says what is wrong with the flags. */
export async function resolveBody({ to, status, data, fields }: ResolveFlags): Promise<object | string> {
  if (to === null) return 'resolve needs one of --released and --completed.';
  const answers = status !== null || data !== null || Object.keys(fields).length > 0;
  if (to === 'released') return answers ? '--released has no answer; leave out --status, -H and -d.' : { to };
  if (status === null || !/^[2-5]\d\d$/.test(status)) return '--completed needs --status, from 200 to 599.';
  const answer = { to, status: Number(status), headers: fields };
  if (data === null) return answer;
  return data.startsWith('@')
    ? { ...answer, bodyBase64: (await readFile(data.slice(1))).toString('base64') }
    : { ...answer, body: data };
}
