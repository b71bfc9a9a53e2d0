import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const catalogSchema = z.record(
  z.string(),
  z.object({
    directory: z.string(),
    /** Opened read-only, whoever connects. */
    frozen: z.boolean(),
  }),
);

/** Database name → where it is. What it does not name does not exist, whatever lies on disk. */
export type Catalog = z.infer<typeof catalogSchema>;

/** Undefined before the first start. @throws when it is not a catalog: guessing could bring back the wrong data */
export const readCatalog = async (file: string): Promise<Catalog | undefined> => {
  try {
    return catalogSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Replaces the catalog as a whole: this rename is the moment at which a swap happens. */
export const writeCatalog = async (file: string, catalog: Catalog): Promise<void> => {
  const next = `${file}.next`;
  const handle = await open(next, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(catalog, null, 2));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
  await syncDirectory(dirname(file));
};

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
