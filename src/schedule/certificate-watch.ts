import type { Node } from '../operations/node.js';
import { isCertificateExpiring } from '../operations/status.js';
import { type ColdspareError, toColdspareError } from '../pure/errors.js';

/**
 * Takes up new certificate files without a restart. Announces once that files cannot be used, or that the certificate
 * ends soon.
 */
export const createCertificateWatch = (node: Node): (() => Promise<void>) => {
  const { credentials } = node;
  if (credentials === undefined) return async () => {};
  let failures = 0;
  let expiringWasTold = false;
  credentials.onChange(({ expiresAt }) => {
    node.log.info({ until: new Date(expiresAt).toISOString() }, 'a new certificate is in use');
  });
  const warn = (event: string, message: string, remedy: string): void => {
    node.log.warn({ remedy }, message);
    node.notifier.announce({ event, severity: 'warning', message, remedy });
  };
  return async () => {
    const error = await credentials.refresh().then(() => null, toColdspareError);
    node.observed.certificateError = error?.message ?? null;
    failures = error === null ? 0 : failures + 1;
    // The first time, somebody may only be half-way through replacing the files.
    if (error !== null && failures === 2)
      warn('certificate-unusable', sayUnusable(node, error), error.remedy);
    const isExpiring = isCertificateExpiring(node);
    if (isExpiring && !expiringWasTold)
      warn('certificate-expiring', sayExpiring(node, credentials.current.expiresAt), RENEW);
    expiringWasTold = isExpiring;
  };
};

const sayUnusable = ({ settings }: Node, { message }: ColdspareError): string =>
  `${settings.nodeName} goes on with its old certificate: ${message}`;

const sayExpiring = ({ settings, clock }: Node, expiresAt: number): string =>
  `the certificate of ${settings.nodeName} ${expiresAt < clock.now() ? 'expired' : 'expires'} at ${new Date(expiresAt).toISOString()}`;

const RENEW = 'put a new one where TLS_CERT and TLS_KEY are: it is taken up within seconds';
