import { X509Certificate } from 'node:crypto';
import type { RequestOptions } from 'node:https';

/** The TLS files of the agent's variables, as PEM text. */
export interface TlsSettings {
  /** TLS_CERT: the certificate of this node. */
  certificate?: string;
  /** TLS_CA: the authority of both nodes' certificates. Default: the system's authorities. */
  authority?: string;
}

/**
 * How an agent is authenticated. This node's own agent is asked at a local address, which no certificate names, so it
 * has to present exactly the certificate of TLS_CERT.
 */
export const tlsOptions = (
  { certificate, authority }: TlsSettings,
  { isOwn }: { isOwn: boolean },
): RequestOptions => {
  if (!isOwn || certificate === undefined) return authority === undefined ? {} : { ca: authority };
  const { fingerprint256 } = new X509Certificate(certificate);
  return {
    ca: certificate,
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, shown) =>
      shown.fingerprint256 === fingerprint256
        ? undefined
        : new Error('it presents another certificate than TLS_CERT'),
  };
};
