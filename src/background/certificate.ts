import { toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';

/** Uses new certificate files without a restart. Files that cannot be used are reported. */
export const createCertificateWatch = ({
  credentials,
  local,
  log,
}: Pick<Node, 'credentials' | 'local' | 'log'>): (() => Promise<void>) => {
  if (credentials === undefined) return async () => {};
  credentials.onChange(({ expiresAt }) => {
    log.info({ until: new Date(expiresAt).toISOString() }, 'a new certificate is in use');
  });
  return async () => {
    const error = await credentials.refresh().then(() => null, toColdspareError);
    const isNew = error !== null && error.message !== local.certificateError?.message;
    if (isNew)
      log.warn({ remedy: error.remedy }, `the old certificate stays in use: ${error.message}`);
    local.certificateError = error;
  };
};
