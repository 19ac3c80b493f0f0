import { unreachable } from '../core/unreachable.ts';
import { createH2Upstream } from './h2-upstream.ts';
import type { Upstream } from './seam.ts';
import { createUpstream as createH1Upstream, type UpstreamOptions } from './upstream.ts';

/** The backend in the protocol that the configuration names: no request finds out which it speaks. */
export function createUpstream(
  options: UpstreamOptions & { readonly protocol: 'http1' | 'http2' },
): Upstream {
  switch (options.protocol) {
    case 'http1':
      return createH1Upstream(options);
    case 'http2':
      return createH2Upstream(options);
    default:
      return unreachable(options.protocol);
  }
}
