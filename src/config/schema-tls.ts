import { z } from 'zod';
import { TLS_DEFAULTS as D } from './defaults.ts';
import { choice, section, text } from './field.ts';

/** How clients reach this process: encrypted, with a certificate of their own, over which versions of HTTP. */

const listenTls = section({
  certificate: text('path', 4096).describe(
    'PEM file with the certificate that clients are shown, with its chain behind it. It and the key are read again when the files change; connections that are open keep the old one.',
  ),
  key: text('path', 4096).describe('PEM file with the private key of `certificate`, without a passphrase.'),
  clientCa: text('path', 4096)
    .optional()
    .describe(
      'PEM file with the authorities that the certificates of clients must be signed by. Given, clients are asked for one; left out, they are not.',
    ),
  clientCertificates: choice(['required', 'optional'])
    .optional()
    .describe(
      'With `clientCa`. `required` (the default): no connection without a certificate. `optional`: a client without one is served, one with a certificate that does not verify is not.',
    ),
  minVersion: choice(['1.2', '1.3'])
    .prefault(D.minVersion)
    .describe(
      'The oldest version of TLS. 1.2 is spoken with forward secrecy and authenticated encryption only.',
    ),
});

export const tls = z
  .union([choice(['off']), listenTls], { error: 'must be { certificate: FILE, key: FILE } or off' })
  .meta({ 'x-type': '`off` or a section' })
  .describe('Whether clients speak TLS with `listen`. Then nothing else is spoken there.');

export const http2 = choice(['alpn', 'prior-knowledge', 'off']).describe(
  'Whether HTTP/2 is spoken with clients. `alpn`: with `tls`, where the client offers it. `prior-knowledge`: also in the clear, with clients that begin with it, as gRPC does; HTTP/1.1 is spoken on the same port as before. `off`: never.',
);
