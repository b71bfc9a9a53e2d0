import { z } from 'zod';
import { duration, httpUrl, wholeNumber } from '../values.js';
import type { Group } from '../variable.js';

export const checks = {
  title: 'Watching the primary',
  variables: {
    PRIMARY_CHECK_URL: {
      schema: httpUrl.optional(),
      about: `The other node's app, as this node reaches it. It must answer 2xx whenever that app serves.
        Until it has done so once, a failed check does not start a takeover, and the node has the problem check-unfit.`,
      unset: 'this node asks only the other agent',
      example: 'http://10.0.0.2:3000/health',
    },
    WITNESS_URL: {
      schema: httpUrl.optional(),
      about: `The service as your users reach it, through VCL1.
        An answer of 2xx means that users are served and only the link between the nodes is cut. It forbids a takeover.
        5xx confirms an outage. Any other answer decides nothing, and neither does a URL that has never answered 2xx:
        the node then has the problem witness-unfit. So give the final https URL, without a redirect or a login,
        that only the app answers.`,
      unset: "this node's own view decides",
      example: 'https://shop.example/health',
    },
    MONITOR: {
      schema: z.enum(['on', 'off']).prefault('on'),
      about: `on: a standby checks the primary and takes over by itself.
        off: only a webhook or a person starts a takeover.`,
    },
    CHECK_INTERVAL: {
      schema: duration('100ms').prefault('5s'),
      about: 'The time from one check to the next.',
    },
    CHECK_TIMEOUT: {
      schema: duration('100ms').optional(),
      about: 'How long one check waits for an answer.',
      unset: 'half of CHECK_INTERVAL, but at least 500ms and at most 3s',
      example: '2500ms',
    },
    FAIL_THRESHOLD: {
      schema: wholeNumber(1, 1000).prefault('3'),
      about: `After this many failed checks in a row a standby promotes itself.
        A primary whose agent is down for that long, as in an upgrade, counts as lost,
        unless PRIMARY_CHECK_URL shows that its app serves.`,
    },
    CONFIRM_CHECKS: {
      schema: wholeNumber(1, 100).prefault('3'),
      about: `How many times the standby checks when a webhook or a person reports an outage.
        Only then does it change anything.`,
    },
    CONFIRM_INTERVAL: {
      schema: duration('100ms').prefault('2s'),
      about: 'The pause between two checks of a reported outage.',
    },
  },
} satisfies Group;
