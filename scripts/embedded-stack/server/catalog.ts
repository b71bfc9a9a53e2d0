import { z } from 'zod';
import { createFileDisk } from '../../../src/drivers/file-disk.js';

const catalogSchema = z.record(
  z.string(),
  z.object({
    directory: z.string(),
    /** Opened read-only, whoever connects. */
    frozen: z.boolean(),
  }),
);

/** Database name → where it is. A database that is not in it does not exist, whatever lies on disk. */
export type Catalog = z.infer<typeof catalogSchema>;

const disk = createFileDisk();

/** Undefined before the first start. @throws when it is not a catalog: a guess could bring back the wrong data */
export const readCatalog = async (file: string): Promise<Catalog | undefined> => {
  const text = await disk.read(file);
  return text === undefined ? undefined : catalogSchema.parse(JSON.parse(text));
};

/** Replaces the catalog as a whole: this is the moment at which a swap happens. */
export const writeCatalog = (file: string, catalog: Catalog): Promise<void> =>
  disk.write(file, JSON.stringify(catalog, null, 2));
