import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ColdspareError } from '../domain/errors.js';
import type { CredentialFiles, Credentials } from '../ports/credentials.js';

/** Paths. */
interface TlsFiles {
  /** TLS_CERT: the node's own certificate, then the intermediate ones. */
  cert: string;
  /** TLS_KEY. */
  key: string;
  /** TLS_CA. */
  ca: string | undefined;
}

/** Reads TLS_CERT, TLS_KEY and TLS_CA. `now` is in milliseconds since 1970. @throws ColdspareError `certificate-unusable` */
export const openTlsFiles = async (
  files: TlsFiles,
  now: () => number,
): Promise<CredentialFiles> => {
  let current = await readCredentials(files);
  const listeners: ((credentials: Credentials) => void)[] = [];
  return {
    get current() {
      return current;
    },
    refresh: async () => {
      const found = await readCredentials(files);
      if (isSame(found, current)) return;
      if (found.expiresAt < now()) throw expired(files.cert, found);
      current = found;
      for (const listener of listeners) listener(found);
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
};

const isSame = (one: Credentials, other: Credentials): boolean =>
  one.certificate === other.certificate &&
  one.key === other.key &&
  one.authority === other.authority;

const readCredentials = async ({ cert, key, ca }: TlsFiles): Promise<Credentials> => {
  const certificate = await readText('TLS_CERT', cert);
  const privateKey = await readText('TLS_KEY', key);
  const authority = ca === undefined ? undefined : await readText('TLS_CA', ca);
  const own = parseCertificate('TLS_CERT', cert, certificate);
  if (!own.checkPrivateKey(parseKey(key, privateKey))) throw otherKey(cert, key);
  if (ca !== undefined && authority !== undefined) parseCertificate('TLS_CA', ca, authority);
  return { certificate, key: privateKey, authority, expiresAt: Date.parse(own.validTo) };
};

const readText = async (variable: string, path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unusable(`${variable} cannot be read: ${(cause as Error).message}`, `ls -l ${path}`, {
      cause,
      value: path,
    });
  }
};

const parseCertificate = (variable: string, path: string, text: string): X509Certificate => {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw unusable(
      `${variable} holds no certificate in PEM: ${path}`,
      `openssl x509 -in ${path} -noout -text`,
      { cause, value: path },
    );
  }
};

const parseKey = (path: string, text: string): KeyObject => {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw unusable(
      `TLS_KEY holds no private key in PEM without a passphrase: ${path}`,
      `openssl pkey -in ${path} -noout`,
      { cause, value: path },
    );
  }
};

const otherKey = (cert: string, key: string): ColdspareError =>
  unusable(
    `TLS_KEY does not belong to TLS_CERT: ${key}, ${cert}`,
    `these two commands must print the same: openssl x509 -in ${cert} -noout -pubkey; openssl pkey -in ${key} -pubout`,
    { value: key },
  );

const expired = (cert: string, { expiresAt }: Credentials): ColdspareError =>
  unusable(
    `the new TLS_CERT expired at ${new Date(expiresAt).toISOString()}: ${cert}`,
    `openssl x509 -in ${cert} -noout -dates`,
    { value: cert },
  );

const unusable = (
  message: string,
  remedy: string,
  extras: { cause?: unknown; value: string },
): ColdspareError => new ColdspareError('certificate-unusable', message, remedy, extras);
