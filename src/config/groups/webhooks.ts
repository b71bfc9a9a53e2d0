import { z } from 'zod';
import { splitList } from '../values.js';
import type { Group } from '../variable.js';

/** 24 to 64 bytes, as Standard Webhooks has it. */
const signingSecret = z
  .string()
  .regex(
    /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/,
    'must be whsec_ and 24 to 64 bytes in base64; make one with: echo "whsec_$(openssl rand -base64 32)"',
  );

export const webhooks = {
  title: 'Uptime checkers',
  variables: {
    WEBHOOK_MONITORS: {
      schema: z
        .string()
        .transform((list) => splitList(list, /,/))
        .prefault(''),
      about: `The monitors that may start a takeover when they report DOWN.
        Give their names, ids or URLs, separated by commas.`,
      unset: 'every monitor may',
      example: 'shop,https://shop.example/health',
    },
    WEBHOOK_SIGNING_SECRET: {
      schema: signingSecret.optional(),
      about: `With a secret, every webhook needs a signature besides its key.
        The agent accepts the signatures of Grafana and of Standard Webhooks. It refuses checkers that cannot sign.
        Make one with: echo "whsec_$(openssl rand -base64 32)"`,
      unset: 'no signature is needed',
      example: 'whsec_',
      secret: true,
    },
  },
} satisfies Group;
