/** Requests and answers of the small servers for probes, scrapes and operators. */
export type AdminRequest = {
  readonly accept: string | undefined;
  readonly authorization: string | undefined;
  readonly query: URLSearchParams;
  /** What stands in the path where the route has `{name}`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Empty where the route takes none. */
  readonly body: Uint8Array;
};

export type AdminReply = {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type AdminRoute = {
  /** GET answers HEAD as well. */
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Segment by segment; `{name}` stands for any one that is not empty. */
  readonly path: string;
  /** Bodies up to it are read; absent: none. */
  readonly bodyBytesMax?: number;
  /** Asked before a body is read, so that nobody fills memory who may not write; null lets it in. Absent: everybody. */
  admit?(request: Omit<AdminRequest, 'body'>): AdminReply | null;
  handle(request: AdminRequest): AdminReply | Promise<AdminReply>;
};

export type RouteChoice =
  | {
      readonly kind: 'route';
      readonly route: AdminRoute;
      readonly parameters: AdminRequest['parameters'];
    }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'method-not-allowed'; readonly allow: string };

export function chooseRoute(routes: readonly AdminRoute[], method: string, path: string): RouteChoice {
  const fitting = routes.flatMap((route) => {
    const parameters = parametersOf(route.path, path);
    return parameters === null ? [] : [{ route, parameters }];
  });
  // A word of a route's own before a place for any: /keys/lookup is no record.
  const fewest = Math.min(...fitting.map(({ parameters }) => Object.keys(parameters).length));
  const atPath = fitting.filter(({ parameters }) => Object.keys(parameters).length === fewest);
  if (atPath.length === 0) return { kind: 'not-found' };
  const wanted = method === 'HEAD' ? 'GET' : method;
  const chosen = atPath.find(({ route }) => route.method === wanted);
  if (chosen !== undefined) return { kind: 'route', ...chosen };
  const allow = atPath.map(({ route: candidate }) =>
    candidate.method === 'GET' ? 'GET, HEAD' : candidate.method,
  );
  return { kind: 'method-not-allowed', allow: allow.join(', ') };
}

function parametersOf(pattern: string, path: string): AdminRequest['parameters'] | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return null;
  const parameters: Record<string, string> = {};
  for (const [at, segment] of wanted.entries()) {
    const here = given[at] ?? '';
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (name === undefined ? here !== segment : here === '') return null;
    if (name !== undefined) parameters[name] = here;
  }
  return parameters;
}

export function jsonReply(status: number, value: object): AdminReply {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

/** RFC 9457 with the type left at about:blank: these are for operators, not of the table of problems. */
export function problemReply(status: number, title: string, detail: string): AdminReply {
  return {
    status,
    contentType: 'application/problem+json',
    body: `${JSON.stringify({ type: 'about:blank', title, status, detail })}\n`,
  };
}
