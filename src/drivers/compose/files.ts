import { ColdspareError } from '../../domain/errors.js';
import type { ClusterFiles, FileChange } from '../postgres/cluster/files.js';
import { readFreeBytes } from '../postgres/free-space.js';
import { findContainers } from './containers.js';
import { createHelper, type HelperOptions } from './helper.js';

const FILES_TIMEOUT_MS = 60_000;

const LIST = '[ ! -d "$1" ] || ls -1A -- "$1"';

/** A line for each file: its content, or what no content begins with. */
const ABSENT = '-';
const READ = `for path; do
  if [ -f "$path" ]; then base64 -w 0 -- "$path" && echo; else echo '${ABSENT}'; fi
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

interface ContainerFilesOptions extends HelperOptions {
  /** Tells the data directory, as the container sees it. */
  find: () => Promise<{ directory: string }>;
}

/**
 * The files of a cluster in the volumes of a container, which may be stopped. What works on them runs in a container of
 * the same image beside it.
 */
export const createContainerFiles = (options: ContainerFilesOptions): ClusterFiles => {
  const { project, service } = options;
  const helper = createHelper(options);
  const script = (text: string, args: readonly string[], input?: string): Promise<string> =>
    helper.runShort(['bash', '-c', text, 'bash', ...args], {
      timeout: FILES_TIMEOUT_MS,
      ...(input !== undefined && { input }),
    });
  let owner: string | undefined;
  /** Of the data directory. It does not change as long as the agent lives. */
  const findOwner = async (): Promise<string> => {
    const { directory } = await options.find();
    owner ??= (await script('stat -c %u:%g -- "$1"', [directory])).trim();
    return owner;
  };

  return {
    list: async (directory) =>
      (await script(LIST, [directory])).split('\n').filter((name) => name !== ''),
    read: async (paths) => {
      if (paths.length === 0) return [];
      const lines = (await script(READ, paths)).split('\n');
      return paths.map((_, index) => {
        const line = lines[index] ?? ABSENT;
        return line === ABSENT ? undefined : Buffer.from(line, 'base64');
      });
    },
    change: async (changes) => {
      const { directory } = await options.find();
      await script(CHANGE, [directory, ...changes.flatMap(wordsOf)], contentsOf(changes));
    },
    run: async (argv, given) => helper.run(argv, given, await findOwner()),
    warm: helper.warm,
    size: async (directory) =>
      Number.parseInt(await script('du -sk -- "$1"', [directory]), 10) * 1024,
    room: (directory) => readFreeBytes((argv) => script('exec "$@"', argv), directory),
    assertStopped: async (directory) => {
      const [found] = await findContainers(project, [service]);
      if (!found?.isRunning) return;
      throw new ColdspareError(
        'database-failed',
        `the container ${found.name} runs, so the files in ${directory} are left alone`,
        'see who starts it: "docker ps" and "docker events" on this machine; it is tried again by itself',
        { value: found.name },
      );
    },
  };
};

const wordsOf = (change: FileChange): string[] =>
  change.do === 'move' ? [change.do, change.path, change.to] : [change.do, change.path];

const contentsOf = (changes: readonly FileChange[]): string =>
  changes
    .map((change) =>
      change.do === 'write' ? `${Buffer.from(change.content).toString('base64')}\n` : '',
    )
    .join('');
