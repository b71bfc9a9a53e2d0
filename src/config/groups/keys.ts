import { z } from 'zod';
import type { Group } from '../variable.js';

const token = z
  .string()
  .min(32, 'must have at least 32 characters; make one with: openssl rand -hex 32')
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');

export const keys = {
  title: 'Keys',
  about: 'Make each with: openssl rand -hex 32. The three keys must differ from each other.',
  variables: {
    PEER_TOKEN: {
      schema: token,
      about: "The agents' key for each other. It is the same on both nodes.",
      example: '',
      secret: true,
    },
    ADMIN_TOKEN: {
      schema: token,
      about: 'Your own key. It opens everything that a person may do.',
      example: '',
      secret: true,
    },
    WEBHOOK_TOKEN: {
      schema: token,
      about:
        'The key of your uptime checkers. It opens /webhooks/… and POST /promote without force.',
      example: '',
      secret: true,
    },
  },
} satisfies Group;
