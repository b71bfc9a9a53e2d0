import { z } from 'zod';
import { path, text, wholeNumber } from '../values.js';
import type { Group } from '../variable.js';

const likeThisNode = (name: string) => `${name}, or COMPOSE_COMMAND with STACK=compose`;

export const ssh = {
  title: 'Fencing over SSH (STACK=compose and STACK=host)',
  about: `When the other agent is dead, a promote goes to its machine over SSH.
    It stops the app and the database there, and takes a last dump.
    The commands run there as the user of PEER_SSH, in the login shell of that user (sh, bash or zsh).`,
  variables: {
    PEER_SSH: {
      schema: z
        .string()
        .regex(/^[^@\s]+@[^@\s:]+(:\d+)?$/, 'must be user@host or user@host:port')
        .optional(),
      about: 'The other machine: user@host or user@host:port.',
      unset: 'there is no fencing over SSH',
      example: 'failover@10.0.0.2:22',
    },
    PEER_SSH_KEY: {
      schema: path.optional(),
      about: 'A private key without a passphrase, made for this alone. PEER_SSH needs it.',
      example: '/etc/coldspare/id_ed25519',
    },
    PEER_SSH_HOST_KEY: {
      schema: z
        .string()
        .regex(
          /^SHA256:[A-Za-z0-9+/]{43}$/,
          'must be a pinned fingerprint, SHA256:… as ssh-keygen -lf shows it',
        )
        .optional(),
      about: `The fingerprint of the only host key that the agent accepts. PEER_SSH needs it.
        On the other machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`,
      example: 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
    },
    PEER_APP_STOP_COMMAND: {
      schema: text.optional(),
      about: 'Stops the app there.',
      unset: likeThisNode('APP_STOP_COMMAND'),
      example: 'sudo -n systemctl stop shop',
    },
    PEER_DB_START_COMMAND: {
      schema: text.optional(),
      about: 'Starts the database there.',
      unset: likeThisNode('DB_START_COMMAND'),
      example: 'sudo -n systemctl start postgresql@15-main',
    },
    PEER_DB_STOP_COMMAND: {
      schema: text.optional(),
      about: 'Stops the database there.',
      unset: likeThisNode('DB_STOP_COMMAND'),
      example: 'sudo -n systemctl stop postgresql@15-main',
    },
    PEER_DB_PORT: {
      schema: wholeNumber(1, 65_535).optional(),
      about: 'The port of PostgreSQL there.',
      unset: 'DB_PORT',
      example: '5432',
    },
    PEER_COMPOSE_PROJECT_DIR: {
      schema: path.optional(),
      about: 'The directory of docker-compose.yml there.',
      unset: 'COMPOSE_PROJECT_DIR',
      example: '/srv/shop',
    },
  },
} satisfies Group;
