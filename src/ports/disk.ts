import type { Readable, Writable } from 'node:stream';

/** Durable files. Paths are absolute; every error but "absent" is thrown. A full disk throws ColdspareError `disk-full`. */
export interface Disk {
  /** The file's text, or undefined when there is no such file. */
  read(path: string): Promise<string | undefined>;
  /** Replaces the file as a whole: temp file, fsync, rename, fsync of the directory. Mode 0600. */
  write(path: string, text: string): Promise<void>;
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
  /** The file as it is when it is opened. @throws when there is no such file, or it is a link, a device or a pipe */
  reader(path: string): Promise<Readable>;
  /** Bytes that may still be written to the file system of `directory`. */
  free(directory: string): Promise<number>;
}
