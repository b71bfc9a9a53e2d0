import { resolve } from 'node:path';
import { z } from 'zod';
import { duration, httpUrl, path, splitList, statuses, text } from '../values.js';
import type { Group } from '../variable.js';

export const app = {
  title: 'The application',
  variables: {
    STACK: {
      schema: z.enum(['compose', 'host', 'embedded']).prefault('compose'),
      about: `What runs the app and its database.
        compose: a Docker Compose project. host: an installed PostgreSQL and any service manager. embedded: the demo.`,
      live: true,
    },
    APP_HEALTH_URL: {
      schema: httpUrl,
      about: `The app's health check. An answer of 2xx means that the app does its job.
        Until it has answered so once, a failed check does not start a takeover,
        and the primary has the problem health-unfit.`,
      example: 'http://127.0.0.1:3000/health',
    },
    APP_HEALTH_HOST: {
      schema: z
        .string()
        .regex(/^[\w.-]+(:\d+)?$/, 'must be a host, such as shop.example')
        .optional(),
      about: `The Host that the health check names, for an app that answers only to its own name.
        PRIMARY_CHECK_URL names it, too.`,
      unset: 'the host of the URL',
      example: 'shop.example',
    },
    APP_HEALTH_STATUS: {
      schema: statuses.optional(),
      about:
        'The answers that are healthy, also at PRIMARY_CHECK_URL: 2xx, 302 or 200-399, separated by commas.',
      unset: '2xx',
      example: '2xx,302',
    },
    APP_START_TIMEOUT: {
      schema: duration('1s').prefault('2m'),
      about: 'How long the app may take to start and answer.',
    },
    APP_RESTART_AFTER: {
      schema: duration('100ms').prefault('1m'),
      about: `A primary starts its app again when the app has been down for this long.
        It does the same with a single service of the app that has failed.
        An app that has exited after it served for this long is first started again at once.
        If the app runs then and does not answer, the agent stops it before it starts it the next time.
        Keep this longer than FAIL_THRESHOLD × CHECK_INTERVAL. Otherwise the restart races the standby's takeover.`,
    },
  },
} satisfies Group;

/** What compose takes as a service's name; it is never mistaken for an option. */
const serviceName = /^[A-Za-z0-9_][\w.-]*$/;

const services = z.string().transform((list, context) => {
  const names = splitList(list, /\s+/);
  if (names.length === 0 || !names.every((name) => serviceName.test(name)))
    context.addIssue({ code: 'custom', message: 'must be names of services, such as app' });
  return names;
});

export const compose = {
  title: 'STACK=compose',
  variables: {
    COMPOSE_PROJECT_DIR: {
      schema: text.transform((directory) => resolve(directory)).prefault('.'),
      about: `The directory of docker-compose.yml. The agent runs every compose command there.
        The project's override file, .env, COMPOSE_FILE and profiles apply as they do for you.`,
    },
    COMPOSE_COMMAND: {
      schema: text.prefault('docker compose'),
      about: `docker compose, docker-compose, or podman compose with docker-compose as its provider (not tested).
        You may add options such as -p shop, but not -f. Name files in COMPOSE_FILE instead.`,
    },
    DB_SERVICE: {
      schema: z.string().regex(serviceName, 'must be the name of a service').prefault('db'),
      about: 'The service of the database, not its container.',
    },
    APP_SERVICE: {
      schema: services.prefault('app'),
      about: `The services of the app, separated by blanks, such as: app worker.
        Name every service that writes to the database.`,
    },
  },
} satisfies Group;

export const host = {
  title: 'STACK=host',
  about: `The agent splits each command as a shell does, but runs it without a shell.
    A command has to return when the service is up or down.`,
  variables: {
    APP_START_COMMAND: {
      schema: text.optional(),
      about: 'Starts the app. STACK=host needs it.',
      example: 'systemctl start shop',
    },
    APP_STOP_COMMAND: {
      schema: text.optional(),
      about: 'Stops the app. STACK=host needs it.',
      example: 'systemctl stop shop',
    },
    DB_START_COMMAND: {
      schema: text.optional(),
      about: 'Starts the database.',
      unset: 'the database always runs',
      example: 'systemctl start postgresql@15-main',
    },
    DB_STOP_COMMAND: {
      schema: text.optional(),
      about: 'Stops the database.',
      unset: 'the database always runs',
      example: 'systemctl stop postgresql@15-main',
    },
  },
} satisfies Group;

export const embedded = {
  title: 'STACK=embedded (the demo: node dist/scripts/embedded-stack/main.js)',
  variables: {
    EMBEDDED_APP: {
      schema: path.optional(),
      about: "The app's program.",
      unset: 'the sample shop',
      example: '/opt/shop/server.js',
    },
  },
} satisfies Group;
