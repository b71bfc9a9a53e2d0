import { basename, posix } from 'node:path';
import type { Progress } from './progress.js';
import type { Server } from './server.js';
import { type Survey, survey } from './survey.js';

/** Records that the current deployment works, as the one to go back to. Removes all others except the one before. */
export const settle = async (server: Server, progress: Progress): Promise<void> => {
  const { home, current, proven, previous } = server.layout;
  const links = [current, proven, previous];
  const seen = await survey(server, links.map(releaseOf));
  const isNew = seen.current !== seen.proven;
  if (isNew) {
    await progress.make(server.name, {
      step: 'settle',
      what: `${seen.current} works${seen.proven === undefined ? '' : `; --rollback leads to ${seen.proven}`}`,
      apply: () =>
        server.script(
          `cd -- "$1"
           if [ -L proven ]; then ln -sfn -- "$(readlink proven)" previous.new; mv -T previous.new previous; fi
           ln -sfn -- "$(readlink current)" proven.new
           mv -T proven.new proven`,
          [home],
        ),
    });
  }
  const before = isNew ? proven : previous;
  const kept = [current, before].flatMap((link) =>
    [link, releaseOf(link)].map((path) => basename(seen.entries[path]?.target ?? '')),
  );
  await tidy(server, seen.entries, kept, progress);
};

const releaseOf = (link: string): string => posix.join(link, 'release');

const tidy = async (
  server: Server,
  entries: Survey['entries'],
  kept: readonly string[],
  progress: Progress,
): Promise<void> => {
  const { deployments, releases } = server.layout;
  const leftovers = [deployments, releases].flatMap((directory) =>
    (entries[directory]?.names ?? [])
      .filter((name) => !kept.includes(name))
      .map((name) => posix.join(directory, name)),
  );
  if (leftovers.length === 0) return;
  await progress.make(server.name, {
    step: 'tidy',
    what: `remove ${leftovers.map((path) => basename(path)).join(', ')}`,
    apply: () => server.run(['rm', '-rf', '--', ...leftovers]),
  });
};
