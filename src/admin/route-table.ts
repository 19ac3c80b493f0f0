/** Requests and answers of the small servers for operators; small on purpose: no bodies come in. */
type AdminRequest = { readonly accept: string | undefined; readonly query: URLSearchParams };

export type AdminReply = {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
};

export type AdminRoute = {
  /** GET answers HEAD as well. */
  readonly method: 'GET' | 'POST';
  /** Compared as a whole. */
  readonly path: string;
  handle(request: AdminRequest): AdminReply | Promise<AdminReply>;
};

export type RouteChoice =
  | { readonly kind: 'route'; readonly route: AdminRoute }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'method-not-allowed'; readonly allow: string };

export function chooseRoute(routes: readonly AdminRoute[], method: string, path: string): RouteChoice {
  const atPath = routes.filter((route) => route.path === path);
  if (atPath.length === 0) return { kind: 'not-found' };
  const wanted = method === 'HEAD' ? 'GET' : method;
  const route = atPath.find((candidate) => candidate.method === wanted);
  if (route !== undefined) return { kind: 'route', route };
  const allow = atPath.map((candidate) => (candidate.method === 'GET' ? 'GET, HEAD' : candidate.method));
  return { kind: 'method-not-allowed', allow: allow.join(', ') };
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
