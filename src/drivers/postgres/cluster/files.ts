import type { CommandOptions } from '../../run-command.js';

/** A change of what lies in a data directory. Paths are whole. Each is safe to repeat unless something is in its way. */
export type FileChange =
  /** Makes a directory for the owner of the files alone. */
  | { do: 'make'; path: string }
  | { do: 'move'; path: string; to: string }
  /** With everything in it. */
  | { do: 'remove'; path: string }
  /** Renames are on disk only when their directory is. */
  | { do: 'sync'; path: string }
  /** Puts a file there at once, for the owner of the files alone. Its content may be secret. */
  | { do: 'write'; path: string; content: string | Buffer };

/**
 * The files of a PostgreSQL cluster, on this machine or in a volume of containers, and the programs that work on them.
 * Methods throw what `Executor.run` throws, or ColdspareError `database-failed`.
 */
export interface ClusterFiles {
  /** Names of what is in a directory; none when there is no such directory. */
  list(directory: string): Promise<string[]>;
  /** Contents, in the same order; undefined where there is no such file. */
  read(paths: readonly string[]): Promise<(Buffer | undefined)[]>;
  /** Makes all changes, one after another. */
  change(changes: readonly FileChange[]): Promise<void>;
  /** Runs a program of PostgreSQL as the owner of the files. */
  run(argv: readonly string[], options: Omit<CommandOptions, 'as' | 'cwd'>): Promise<string>;
  /** Gets ready for what has to be fast in the next seconds. */
  warm(): Promise<void>;
  /** Bytes on disk of everything in a directory. */
  size(directory: string): Promise<number>;
  /** Free bytes there. */
  room(directory: string): Promise<number>;
  /** @throws ColdspareError `database-failed` while a server runs there: its files must not be moved */
  assertStopped(directory: string): Promise<void>;
}
