import { ColdspareError } from '../../domain/errors.js';
import type { ClusterFiles, FileChange } from '../postgres/cluster/files.js';
import { readFreeBytes } from '../postgres/free-space.js';
import { type Container, findContainers } from './containers.js';
import { createHelper, HELPER_PREFIX, type HelperOptions, mountsOf } from './helper.js';
import { askEngine, type Project } from './project.js';

/** Milliseconds. */
const FILES_TIMEOUT = 60_000;
/** A copy that is given up may be large. */
const CHANGE_TIMEOUT = 1_800_000;

const LIST = '[ ! -d "$1" ] || ls -1A -- "$1"';

/** A line for each file: its content, or what no content begins with. */
const ABSENT = '-';
const READ = `for path; do
  if [ -f "$path" ]; then base64 -w 0 -- "$path" || exit; echo; else echo '${ABSENT}'; fi
done`;

/** As `FileChange` says, in words of the arguments. A content is a line of the input: arguments are in process lists. */
const CHANGE = `set -e
owner=$(stat -c %u:%g -- "$1"); shift
while [ $# -gt 0 ]; do
  case $1 in
    make) mkdir -p -m 700 -- "$2"; chown "$owner" -- "$2";;
    move) mv -T -- "$2" "$3"; shift;;
    remove) rm -rf -- "$2";;
    sync) sync -- "$2";;
    write)
      mkdir -p -- "\${2%/*}"
      IFS= read -r content
      (umask 077; printf %s "$content" | base64 -d >"$2.coldspare")
      chown "$owner" -- "$2.coldspare"
      sync -- "$2.coldspare"
      mv -T -- "$2.coldspare" "$2";;
  esac
  shift 2
done`;

/**
 * The files of a cluster in the volumes of a container, which may be stopped. What works on them runs in a container of
 * the same image beside it.
 */
export const createContainerFiles = (options: HelperOptions): ClusterFiles => {
  const { project, service } = options;
  const helper = createHelper(options);
  const script = (text: string, args: readonly string[]) => ['bash', '-c', text, 'bash', ...args];
  const ask = (text: string, ...args: string[]): Promise<string> =>
    helper.runShort(script(text, args), { timeout: FILES_TIMEOUT });

  return {
    list: async (directory) =>
      (await ask(LIST, directory)).split('\n').filter((name) => name !== ''),
    read: async (paths) => {
      if (paths.length === 0) return [];
      const lines = (await ask(READ, ...paths)).split('\n');
      return paths.map((_, index) => {
        const line = lines[index] ?? ABSENT;
        return line === ABSENT ? undefined : Buffer.from(line, 'base64');
      });
    },
    change: async (changes) => {
      const { directory } = await options.find();
      await helper.runShort(script(CHANGE, [directory, ...changes.flatMap(wordsOf)]), {
        timeout: CHANGE_TIMEOUT,
        input: contentsOf(changes),
      });
    },
    run: helper.run,
    warm: helper.warm,
    size: async (directory) => Number.parseInt(await ask('du -sk -- "$1"', directory), 10) * 1024,
    room: (directory) => readFreeBytes((argv) => ask('exec "$@"', ...argv), directory),
    assertStopped: async (directory) => {
      const containers = await findContainers(project, [service]);
      const running =
        containers.find(({ isRunning }) => isRunning)?.name ??
        (await findOthers(project, containers, directory));
      if (running === undefined) return;
      throw new ColdspareError(
        'database-failed',
        `the container ${running} runs, so the files in ${directory} are left alone`,
        'see who starts it: "docker ps" and "docker events" on this machine; it is tried again by itself',
        { value: running },
      );
    },
  };
};

/** A container of somebody else that runs with the same volume, such as one of the project under an earlier name. */
const findOthers = async (
  project: Project,
  containers: readonly Container[],
  directory: string,
): Promise<string | undefined> => {
  for (const { id } of containers) {
    const mounts = await mountsOf(project, id);
    const [data] = mounts
      .filter(({ Destination }) => `${directory}/`.startsWith(`${Destination}/`))
      .sort((one, other) => other.Destination.length - one.Destination.length);
    if (data === undefined) continue;
    const volume = data.Type === 'volume' ? data.Name : data.Source;
    const names = await askEngine(
      project,
      ...['ps', '--format', '{{.Names}}', '--filter', `volume=${volume}`],
    );
    const other = names.find((name) => !name.startsWith(HELPER_PREFIX));
    if (other !== undefined) return other;
  }
  return undefined;
};

const wordsOf = (change: FileChange): string[] =>
  change.do === 'move' ? [change.do, change.path, change.to] : [change.do, change.path];

const contentsOf = (changes: readonly FileChange[]): string =>
  changes
    .map((change) =>
      change.do === 'write' ? `${Buffer.from(change.content).toString('base64')}\n` : '',
    )
    .join('');
