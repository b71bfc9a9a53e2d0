import type { Readable, Writable } from 'node:stream';

/** Durable files. Paths are absolute; every error but "absent" is thrown. A full disk throws ColdspareError `disk-full`. */
export interface Disk {
  /** The file's text, or undefined when there is no such file. */
  read(path: string): Promise<string | undefined>;
  /** Replaces the file as a whole: temp file, fsync, rename, fsync of the directory. Mode 0600. */
  write(path: string, text: string): Promise<void>;
  /** Makes the file one that has just changed; creates it when there is none. Needs no space when there is one. */
  touch(path: string): Promise<void>;
  /** When the file has changed last, in milliseconds since 1970; undefined when there is no such file. */
  changedAt(path: string): Promise<number | undefined>;
  /** Names in a directory; none when it does not exist. */
  list(directory: string): Promise<string[]>;
  /** Bytes of the file, or undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Removes the file; no error when it is gone already. */
  remove(path: string): Promise<void>;
  /** Renames and makes the rename durable. Replaces what is at `to`. */
  rename(from: string, to: string): Promise<void>;
  /** A stream into a new file of mode 0600, or with `append` to the end of one; its `finish` comes after fsync. */
  writer(path: string, options?: { append: boolean }): Promise<Writable>;
  /** What is in the file, `from` that byte on. @throws when there is no such file, or it is a link, a device or a pipe */
  reader(path: string, from?: number): Promise<Readable>;
  /** Bytes that may still be written to the file system of `directory`. */
  free(directory: string): Promise<number>;
  /** Bytes that this file system has in all. */
  capacity(directory: string): Promise<number>;
}

/** In bytes. */
export interface DiskSpace {
  free: number;
  capacity: number;
}

export const spaceOf = async (
  disk: Pick<Disk, 'free' | 'capacity'>,
  directory: string,
): Promise<DiskSpace> => ({
  free: await disk.free(directory),
  capacity: await disk.capacity(directory),
});
