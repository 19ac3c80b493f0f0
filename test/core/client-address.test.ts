import { expect, it } from 'vitest';
import { clientName, originOf } from '../../src/core/client-address.ts';

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
  ['::ffff:c000:207', '192.0.2.7'],
  ['0000:0000:0000:0000:0000:FFFF:C000:0207', '192.0.2.7'],
  ['::fffe:c000:207', '0:0:0:0::/64'],
  ['::ffff:999.0.2.7:1', null],
  ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
  ['2001:0DB8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
  ['2001:db8:0:1::', '2001:db8:0:1::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  ['1:2:3:4:5:6:192.0.2.7', '1:2:3:4::/64'],
  ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ['', null],
  ['unknown', null],
  ['_hidden', null],
  ['192.0.2.7:8080', null],
  ['[2001:db8::1]:8080', null],
  ['1:2:3:4:5:6:7:8:9', null],
  ['1:2:3:4:5:6:7:8::', null],
  ['1::2::3', null],
  ['12345::', null],
  ['1:2:3', null],
])('the client at %s is %s', (address, name) => {
  expect(clientName(address)).toBe(name);
});

const isProxy = (address: string): 'trusted' | 'untrusted' =>
  address.startsWith('10.') ? 'trusted' : 'untrusted';

it.each<[string, string, readonly string[], string | null]>([
  ['its peer, whatever it says of itself', '192.0.2.1', ['X-Forwarded-For', '198.51.100.1'], '192.0.2.1'],
  ['who a trusted proxy names', '10.0.0.1', ['X-Forwarded-For', '198.51.100.1'], '198.51.100.1'],
  ['who is named with a port', '10.0.0.1', ['X-Forwarded-For', '198.51.100.1:40001'], '198.51.100.1'],
  ['who is named in brackets', '10.0.0.1', ['X-Forwarded-For', '[2001:db8::1]:40001'], '2001:db8:0:0::/64'],
  [
    'who stands before a proxy with a port',
    '10.0.0.1',
    ['X-Forwarded-For', '198.51.100.1, 10.0.0.2:443'],
    '198.51.100.1',
  ],
  ['nobody, by a port that is none', '10.0.0.1', ['X-Forwarded-For', '198.51.100.1:http'], null],
  ['nobody, by brackets that do not close', '10.0.0.1', ['X-Forwarded-For', '[2001:db8::1'], null],
  ['the last that is no proxy', '10.0.0.1', ['X-Forwarded-For', '1.1.1.1, 2.2.2.2 ,10.0.0.2'], '2.2.2.2'],
  [
    'the last over several lines',
    '10.0.0.1',
    ['x-forwarded-for', '1.1.1.1', 'X-FORWARDED-FOR', '3.3.3.3'],
    '3.3.3.3',
  ],
  ['nobody where only proxies are named', '10.0.0.1', ['X-Forwarded-For', '10.0.0.3, 10.0.0.2'], null],
  ['nobody where no one is named', '10.0.0.1', [], null],
  ['nobody behind what is no address', '10.0.0.1', ['X-Forwarded-For', '1.1.1.1, unknown, 10.0.0.2'], null],
  [
    'nobody where there are too many proxies',
    '10.0.0.1',
    ['X-Forwarded-For', `1.1.1.1${', 10.0.0.2'.repeat(16)}`],
    null,
  ],
])('a request comes from %s', (_what, peer, rawHeaders, name) => {
  expect(originOf(peer, rawHeaders, isProxy)).toBe(name);
});
