import { allValues, type RawHeaders } from './wire.ts';

/**
 * One client as far as addresses tell: an IPv4 address, or the /64 of an IPv6 address, of which one host has as many
 * others as it likes (RFC 4291 section 2.5.4). Null: it is no address.
 */
export function clientName(address: string): string | null {
  const plain = /^::ffff:(?=[0-9.]+$)/i.test(address) ? address.slice(7) : address;
  if (/^(?:[0-9]{1,3}\.){3}[0-9]{1,3}$/.test(plain)) return plain;
  const groups = ipv6Groups(plain);
  if (groups === null) return null;
  return mappedIpv4(groups) ?? `${groups.slice(0, 4).join(':')}::/64`;
}

const GROUPS = 8;

/** Without leading zeros, in lower case; a dotted quad at the end stands for two. Null: it is none. */
function ipv6Groups(address: string): readonly string[] | null {
  const [bare = ''] = address.split('%', 1);
  const [before = '', after, ...more] = bare
    .replace(/(?:[0-9]{1,3}\.){3}[0-9]{1,3}$/, groupsOfQuad)
    .split('::');
  if (more.length > 0) return null;
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const written = head.length + tail.length;
  if (after === undefined ? written !== GROUPS : written >= GROUPS) return null;
  const left = Array.from({ length: GROUPS - written }, () => '0');
  const groups = [...head, ...left, ...tail].map((group) => group.toLowerCase());
  return groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))
    ? groups.map((group) => group.replace(/^0+(?=.)/, ''))
    : null;
}

function groupsOfQuad(quad: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = quad.split('.').map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** All of ::ffff:0:0/96 is IPv4 (RFC 4291 section 2.5.5.2), however it is written: its /64 would be everybody. */
function mappedIpv4(groups: readonly string[]): string | null {
  const [high = '', low = ''] = groups.slice(6);
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return null;
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((value) => [Math.floor(value / 256), value % 256])
    .join('.');
}

/** Of what a proxy appended to; a longer list is not gone through. */
const HOPS_MAX = 16;

/**
 * Who a request comes from: the peer, or where that is a trusted proxy, the last address of `X-Forwarded-For` that is
 * not one. Null: only trusted proxies are named, so that nobody is known to be counted.
 */
export function originOf(
  peerAddress: string,
  rawHeaders: RawHeaders,
  forwardingOf: (address: string) => 'trusted' | 'untrusted',
): string | null {
  if (forwardingOf(peerAddress) === 'untrusted') return clientName(peerAddress);
  const hops = allValues(rawHeaders, 'x-forwarded-for').join(',').split(',').slice(-HOPS_MAX);
  for (const hop of hops.reverse()) {
    const address = withoutPort(hop.trim());
    const name = clientName(address);
    if (name === null) return null;
    if (forwardingOf(address) === 'untrusted') return name;
  }
  return null;
}

/** Some proxies write the port of the client too, an IPv6 address then in brackets. */
function withoutPort(hop: string): string {
  const [, inBrackets, ipv4] =
    /^(?:\[([^\]]*)\]|((?:[0-9]{1,3}\.){3}[0-9]{1,3}))(?::[0-9]{1,5})?$/.exec(hop) ?? [];
  return inBrackets ?? ipv4 ?? hop;
}
