import { constants } from 'node:crypto';
import type { ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket, TlsOptions } from 'node:tls';
import type { CallerCertificate } from '../core/caller.ts';
import type { Peer } from './seam.ts';

/** TLS with the clients: which versions and ciphers, and what a verified certificate says of its holder. */

export type ServerTls = {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  /** PEM; null: clients are not asked for a certificate. */
  readonly clientCa: string | null;
  readonly clientCertificates: 'required' | 'optional';
  readonly minVersion: '1.2' | '1.3';
  /** Of the certificate, in Unix time. */
  readonly notAfterMs: number;
};

/**
 * For TLS 1.2 (1.3 has its own, all of them sound): forward secrecy and authenticated encryption, as RFC 9325 section
 * 4.2 recommends.
 */
const CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The part that can be replaced while the server runs. */
export function secureContextOf(tls: ServerTls): TlsOptions {
  const { certificate, key, clientCa, minVersion } = tls;
  return {
    cert: certificate,
    key,
    ...(clientCa === null ? {} : { ca: clientCa }),
    minVersion: `TLSv${minVersion}`,
    ciphers: CIPHERS,
    // A resumed session would bring the verdict of an earlier handshake, under authorities that may be gone.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (clientCa === null ? 0 : constants.SSL_OP_NO_TICKET),
  };
}

export type TlsServerOptions = {
  readonly tls: ServerTls;
  readonly protocols: readonly string[];
  readonly handshakeTimeoutMs: number;
  readonly http: ServerOptions;
  /** A handshake that failed: nothing of it was a request. */
  readonly onHandshakeFailed: () => void;
};

export function createTlsServer(options: TlsServerOptions): Server {
  const { tls, protocols, handshakeTimeoutMs, http, onHandshakeFailed } = options;
  const server = createServer({
    ...http,
    ...secureContextOf(tls),
    honorCipherOrder: true,
    handshakeTimeout: handshakeTimeoutMs,
    ALPNProtocols: [...protocols],
    requestCert: tls.clientCa !== null,
    // An optional one that does not verify is refused below, so that nobody goes on under a name that is not proven.
    rejectUnauthorized: tls.clientCa !== null && tls.clientCertificates === 'required',
  });
  // node:https would hand a failed handshake on as a malformed request, and an answer in the clear would go out.
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (_error, socket) => {
    onHandshakeFailed();
    socket.destroy();
  });
  return server;
}

/** no: it gave a certificate that does not verify. */
export function mayServe(socket: TLSSocket): 'yes' | 'no' {
  return socket.authorized || socket.getPeerX509Certificate() === undefined ? 'yes' : 'no';
}

export function tlsPeerOf(socket: TLSSocket): Peer {
  return {
    address: socket.remoteAddress ?? '',
    protocol: 'https',
    certificate: socket.authorized ? certificateOf(socket) : null,
  };
}

function certificateOf(socket: TLSSocket): CallerCertificate | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  return {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    // One attribute a line, and what would end a line is escaped by then.
    subject: certificate.subject.split('\n').join(','),
    alternativeNames: alternativeNamesOf(certificate.subjectAltName ?? ''),
  };
}

/** Names with a comma or a quote in them come as JSON strings, so that none can pass for two. */
function alternativeNamesOf(text: string): readonly string[] {
  return [...text.matchAll(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g)].map(([name]) => name.trim());
}
