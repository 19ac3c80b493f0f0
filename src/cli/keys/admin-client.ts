export type AdminRequest = {
  readonly base: string;
  readonly token: string | null;
  readonly method: string;
  readonly path: string;
  readonly body: object | null;
};

export type AdminAnswer = {
  readonly status: number;
  /** Empty where it is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
};

const TIMEOUT_MS = 15_000;

/** Throws Error with one line that says what to do when the port cannot be reached. */
export async function askAdmin({ base, token, method, path, body }: AdminRequest): Promise<AdminAnswer> {
  if (!URL.canParse(path, base)) throw new Error(`--admin is no URL, such as http://127.0.0.1:9465: ${base}`);
  let response: Response;
  try {
    response = await fetch(new URL(path, base), {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === null ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === null ? null : JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(
      `cannot reach the admin port at ${base} (${cause}); is Onceward running there, and is admin.listen that address?`,
      { cause: error },
    );
  }
  const text = await response.text();
  return { status: response.status, body: objectOf(text), text };
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === 'object' && read !== null ? { ...read } : {};
  } catch {
    return {};
  }
}
