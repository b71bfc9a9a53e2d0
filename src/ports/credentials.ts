/** How this node shows who it is, as PEM: to its callers and to its peer. */
export interface Credentials {
  certificate: string;
  key: string;
  /** Where the certificates of both nodes come from; undefined when the peer needs none. */
  authority: string | undefined;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** The credentials in files that somebody may replace at any time. */
export interface CredentialFiles {
  /** The last that could be used. */
  readonly current: Credentials;
  /**
   * Looks at the files, and takes over what is new there.
   * @throws ColdspareError `certificate-unusable`; those there were stay in use
   */
  refresh(): Promise<void>;
  /** Calls back after each change. */
  onChange(listener: (credentials: Credentials) => void): void;
}
