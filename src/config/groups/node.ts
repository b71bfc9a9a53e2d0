import { z } from 'zod';
import { httpUrl, path, text, wholeNumber } from '../values.js';
import type { Group } from '../variable.js';

export const node = {
  title: 'This node',
  variables: {
    NODE_NAME: {
      schema: z
        .string()
        .regex(/^[\w.-]{1,63}$/, 'must be letters, digits, dot, dash or underscore, such as vcl3'),
      about: 'The name of this node. The two nodes have different names.',
      example: 'vcl3',
    },
    INITIAL_ROLE: {
      schema: z.enum(['primary', 'standby']),
      about: `The role at the first start: primary on VCL2, standby on VCL3.
        Once STATE_DIR holds a role, only that one counts.`,
      example: 'standby',
    },
    HOST: {
      schema: text.prefault('0.0.0.0'),
      about: 'The address on which this agent listens.',
    },
    PORT: {
      schema: wholeNumber(0, 65_535).prefault('8080'),
      about: 'The port on which this agent listens.',
    },
    PEER_URL: {
      schema: httpUrl,
      about: "The other node's agent.",
      example: 'http://10.0.0.2:8080',
    },
    STATE_DIR: {
      schema: path.prefault('/var/lib/coldspare'),
      about: 'The directory where the agent keeps its role, its epoch and its operations.',
    },
    LOG_LEVEL: {
      schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']).prefault('info'),
      about: 'How much the agent logs: debug, info, warn, error or silent.',
    },
  },
} satisfies Group;
