import { path } from '../values.js';
import type { Group } from '../variable.js';

export const tls = {
  title: 'TLS',
  about: `Without TLS_CERT the agent speaks plain HTTP. All files are PEM.
    The agent loads new files within seconds. While it cannot use the new files, it keeps the old ones.`,
  variables: {
    TLS_CERT: {
      schema: path.optional(),
      about: "This node's certificate. It needs TLS_KEY.",
      example: '/etc/coldspare/tls/node.crt',
    },
    TLS_KEY: {
      schema: path.optional(),
      about: 'The private key of the certificate, without a passphrase.',
      example: '/etc/coldspare/tls/node.key',
    },
    TLS_CA: {
      schema: path.optional(),
      about: `The authority that signed the certificates of both nodes.
        With it, the other agent must show such a certificate besides PEER_TOKEN.
        PEER_URL has to begin with https:// then.`,
      unset: "an https PEER_URL is checked against the system's authorities",
      example: '/etc/coldspare/tls/ca.crt',
    },
  },
} satisfies Group;
