import type { Condition } from './condition.js';

/** Somebody may only be half-way through replacing the files. */
const HALF_WAY = 10_000;
/** Before its end a certificate is a problem. */
const LAST_DAYS = 14 * 86_400_000;

/** The files of TLS_CERT, TLS_KEY and TLS_CA. */
export const CERTIFICATES = {
  'certificate-unusable': {
    severity: 'warning',
    when: ({ certificateError }) =>
      certificateError === undefined ? undefined : certificateError !== null,
    says: 'cannot use its new certificate files and goes on with the old certificate',
    because: ({ certificateError }) => certificateError?.message,
    remedy: {
      page: "the agent's log says what is wrong with the files of TLS_CERT, TLS_KEY and TLS_CA. Put it right before a restart: with them the agent would not start",
      terminal:
        'journalctl -u coldspare says what is wrong with the files of TLS_CERT, TLS_KEY and TLS_CA. Put it right before a restart: with them the agent would not start',
      http: ({ certificateError }) => certificateError?.remedy ?? 'the log of the agent says why',
    },
    isProblem: true,
    alarm: { holds: () => HALF_WAY, over: 'its certificate files are in use' },
  },
  'certificate-expiring': {
    severity: 'warning',
    when: ({ certificateExpiresAt, now }) =>
      certificateExpiresAt !== undefined && certificateExpiresAt - now < LAST_DAYS,
    says: 'has a certificate that ends within 14 days, or has ended',
    because: ({ certificateExpiresAt }) =>
      certificateExpiresAt === undefined ? null : new Date(certificateExpiresAt).toISOString(),
    remedy: 'put a new one where TLS_CERT and TLS_KEY are: it is taken up within seconds',
    isProblem: true,
    alarm: { over: 'its new certificate is in use' },
  },
} satisfies Record<string, Condition>;
