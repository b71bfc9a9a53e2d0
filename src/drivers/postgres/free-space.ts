import { ColdspareError } from '../../domain/errors.js';

const TIMEOUT_MS = 10_000;

/** Free bytes in `directory`, as `df` sees it where `run` runs it. */
export const readFreeBytes = async (
  run: (argv: readonly string[], options: { timeout: number }) => Promise<string>,
  directory: string,
): Promise<number> => {
  const output = await run(['df', '-Pk', directory], { timeout: TIMEOUT_MS });
  // POSIX: file system, blocks, used, available, capacity, mount point. Only the first may contain blanks.
  const [, kilobytes] = /\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(output) ?? [];
  if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  throw new ColdspareError(
    'command-failed',
    `df printed no free space for ${directory}: ${output}`,
    `run "df -Pk ${directory}" by hand to see what it prints`,
  );
};
