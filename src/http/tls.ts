import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Credentials } from '../ports/credentials.js';

/** Milliseconds for a TLS handshake. */
const HANDSHAKE_TIMEOUT = 10_000;

/**
 * With an authority, callers are asked for a certificate. Nobody is refused here for having none: load balancers and
 * people have a key, or need none. auth.ts refuses a peer without one.
 */
export const tlsOptions = ({ certificate, key, authority }: Credentials) => ({
  ...{ cert: certificate, key, minVersion: 'TLSv1.2' as const },
  ...(authority !== undefined && { ca: authority, requestCert: true, rejectUnauthorized: false }),
  handshakeTimeout: HANDSHAKE_TIMEOUT,
  // A resumed session counts as authorized in TLS 1.3 even where the first one had no certificate to show.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** Whether the other side has shown a certificate of TLS_CA. */
export const showsCertificate = (socket: Socket): boolean =>
  socket instanceof TLSSocket && socket.authorized && socket.getPeerX509Certificate() !== undefined;
