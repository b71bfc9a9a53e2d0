import { X509Certificate } from 'node:crypto';
import type { RequestOptions } from 'node:https';

/** What the agent's own variables say about TLS, as text of PEM files. */
export interface TlsSettings {
  /** TLS_CERT: of this node. */
  certificate?: string;
  /** TLS_CA: of both nodes. Without it, the system's authorities count. */
  authority?: string;
}

/**
 * How the agent at `url` is known. This node's own is asked at an address of this machine, which no certificate
 * names: it has to show the very certificate of TLS_CERT.
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
        : new Error('it shows another certificate than the one in TLS_CERT'),
  };
};
