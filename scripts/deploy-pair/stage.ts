import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { formatBytes } from '../../src/domain/format.js';
import type { Deployment, Target } from './deployment.js';
import type { Inventory } from './inventory.js';
import { formatDifference } from './node-environment.js';
import type { Change, Progress } from './progress.js';
import type { Release } from './release.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';
import { type Survey, survey } from './survey.js';
import { needsDocker } from './unit-file.js';

const UPLOAD_TIMEOUT = 20 * 60_000;

/** Installs the new deployment beside the running one, which goes on undisturbed. @throws Stop */
export const stage = async (
  inventory: Inventory,
  target: Target,
  release: Release,
  progress: Progress,
): Promise<void> => {
  const { server, deployment } = target;
  const seen = await progress.look(server.name, 'survey', () =>
    survey(server, ownDirectories(deployment)),
  );
  assertSameRole(server, seen, deployment);
  const changes = [
    userChange(server, seen),
    directoriesChange(server, seen, deployment),
    releaseChange(server, seen, release),
    filesChange(server, seen, deployment),
  ].filter((change) => change !== undefined);
  for (const change of changes) await progress.make(server.name, change);
  if (changes.length === 0 || progress.isDry) return;
  await progress.look(server.name, 'access', () => checkAccess(target, inventory));
};

/** The first server always claims odd epochs and the second even ones. Two alike could claim the same epoch. */
const assertSameRole = ({ name }: Server, seen: Survey, { variables }: Deployment): void => {
  const { INITIAL_ROLE: before } = seen.variables;
  if (before === undefined || before === variables.INITIAL_ROLE) return;
  throw new Stop(
    `${name} was deployed as the ${before === 'primary' ? 'first' : 'second'} server, and the inventory has it the other way round`,
    'put the servers back into their order: who is primary now is not decided there, but by POST /promote and /demote',
  );
};

const ownDirectories = ({ config }: Deployment): string[] => [
  ...new Set([config.STATE_DIR, config.BACKUP_DIR]),
];

const userChange = (server: Server, { uid }: Survey): Change | undefined => {
  if (uid !== undefined) return undefined;
  return {
    step: 'user',
    what: `create the system user ${server.runAs}, who may not log in`,
    apply: () =>
      server.run([
        ...['useradd', '--system', '--user-group', '--no-create-home'],
        ...['--home-dir', server.layout.state, '--shell', '/usr/sbin/nologin', server.runAs],
      ]),
  };
};

/** The service's user owns its data. Root owns the rest, so that the agent cannot change its own program. */
const directoriesChange = (
  server: Server,
  { entries, uid }: Survey,
  deployment: Deployment,
): Change | undefined => {
  const { releases, deployments } = server.layout;
  const wrong = [
    ...[releases, deployments].map((path) => ({ path, mode: '755', owner: 'root', id: 0 })),
    ...ownDirectories(deployment).map((path) => ({
      path,
      mode: '700',
      owner: server.runAs,
      id: uid,
    })),
  ].filter(({ path, mode, id }) => entries[path]?.mode !== mode || entries[path]?.uid !== id);
  if (wrong.length === 0) return undefined;
  return {
    step: 'directories',
    what: wrong.map(({ path, mode, owner }) => `${path} (${mode}, ${owner})`).join(', '),
    apply: () =>
      server.script(
        `umask 022
         while [ $# -gt 0 ]; do
           mkdir -p -- "$1"
           chown -- "$3:" "$1"
           chmod -- "$2" "$1"
           shift 3
         done`,
        wrong.flatMap(({ path, mode, owner }) => [path, mode, owner]),
      ),
  };
};

const releaseChange = (server: Server, seen: Survey, release: Release): Change | undefined => {
  const { releases } = server.layout;
  if (seen.entries[releases]?.names?.includes(release.name)) return undefined;
  assertFits(server, seen, release.bytes);
  return {
    step: 'release',
    what: `upload ${release.name} (${formatBytes(release.bytes)})`,
    apply: async () =>
      // tar fails on a gzip that was cut, so only a complete release gets its final name.
      server.script(
        `umask 022
         rm -rf -- "$1.partial"
         trap 'rm -rf -- "$1.partial"' EXIT
         mkdir -- "$1.partial"
         tar --extract --gzip --no-same-owner --file=- --directory="$1.partial"
         chmod -R u=rwX,go=rX -- "$1.partial"
         sync --file-system -- "$1.partial"
         mv -T -- "$1.partial" "$1"`,
        [posix.join(releases, release.name)],
        { input: Readable.from([await release.pack()]), timeout: UPLOAD_TIMEOUT },
      ),
  };
};

const assertFits = (server: Server, { disks }: Survey, bytes: number): void => {
  const { releases } = server.layout;
  const free = disks.find(({ path }) => path === releases)?.freeBytes ?? 0;
  if (free > bytes * 1.5) return;
  throw new Stop(
    `${server.name}: ${formatBytes(free)} are free for ${releases}, and the release needs ${formatBytes(bytes * 1.5)}`,
    `make room there (df -h ${server.layout.root}), then run the same command again`,
  );
};

const filesChange = (
  server: Server,
  { entries, variables: known }: Survey,
  { name, release, variables, environment, unit }: Deployment,
): Change | undefined => {
  const { deployments, releases } = server.layout;
  if (entries[deployments]?.names?.includes(name)) return undefined;
  const { COLDSPARE_DEPLOYMENT: _, ...before } = known;
  return {
    step: 'files',
    what: [`${name}: environment and unit`, ...formatDifference(before, variables)].join('\n    '),
    apply: async () => {
      const path = posix.join(deployments, name);
      await server.script('umask 022; rm -rf -- "$1"; mkdir -- "$1"; ln -s -- "$2" "$1/release"', [
        `${path}.partial`,
        posix.join(releases, release),
      ]);
      // systemd reads the file as root, so the agent needs no access to it.
      await server.write(`${path}.partial/coldspare.env`, environment, '600');
      await server.write(`${path}.partial/coldspare.service`, unit, '644');
      await server.run(['mv', '-T', '--', `${path}.partial`, path]);
    },
  };
};

/** Checks that the service's user can reach what it needs. The usual mistake is a directory inside a closed home. */
const checkAccess = async (
  { server, deployment: { config } }: Target,
  { runAs }: Inventory,
): Promise<void> => {
  const as = runAs === 'root' ? [] : ['runuser', '-u', runAs, '--'];
  if ((await server.tryRun([...as, server.node, '--version'])) === undefined) {
    throw new Stop(
      `${server.name}: ${runAs} cannot run ${server.node}`,
      'install Node where everybody may run it, such as /usr/bin: not in the home of root',
    );
  }
  if (config.STACK !== 'compose') return;
  const directory = config.COMPOSE_PROJECT_DIR;
  if ((await server.tryRun([...as, 'ls', '--', directory])) === undefined) {
    throw new Stop(
      `${server.name}: ${runAs} cannot read ${directory}`,
      'let it: chmod o+x on the folders above, or move the project to /srv, or set run_as',
    );
  }
  if (needsDocker(config) && (await server.tryRun(['getent', 'group', 'docker'])) === undefined) {
    throw new Stop(
      `${server.name}: there is no group docker`,
      'install Docker there, with its Compose plugin',
    );
  }
};
