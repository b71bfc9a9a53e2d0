import { toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';

/** Takes up new certificate files without a restart, and notes when they cannot be used. */
export const createCertificateWatch = (node: Node): (() => Promise<void>) => {
  const { credentials, local, log } = node;
  if (credentials === undefined) return async () => {};
  credentials.onChange(({ expiresAt }) => {
    log.info({ until: new Date(expiresAt).toISOString() }, 'a new certificate is in use');
  });
  return async () => {
    const error = await credentials.refresh().then(() => null, toColdspareError);
    const isNews = error !== null && error.message !== local.certificateError?.message;
    if (isNews) log.warn({ remedy: error.remedy }, `still the old certificate: ${error.message}`);
    local.certificateError = error;
  };
};
