import { ColdspareError } from '../../domain/errors.js';
import { type Inventory, inventoryDifferences, type Manifest } from '../../domain/manifest.js';

/**
 * Describes the contents of a restored backup. An incomplete restore may lack constraints.
 * @throws ColdspareError `backup-unusable` when they differ from its manifest
 */
export const assertAsInManifest = (
  backup: Manifest,
  actual: Inventory,
  remedy: string,
  incomplete = false,
): string => {
  if (backup.inventory === undefined)
    return describe(actual.rows, 'an adopted dump: nothing to compare with');
  const { constraints, ...others } = backup.inventory;
  const expected = incomplete ? others : { ...others, constraints };
  const differences = inventoryDifferences(expected, actual);
  if (differences.length === 0) return describe(actual.rows, 'as in the manifest');
  throw new ColdspareError(
    'backup-unusable',
    `${backup.id} was restored but is not what its manifest says: ${differences.slice(0, 5).join('; ')}`,
    remedy,
    { value: differences },
  );
};

const describe = (rows: Record<string, number>, compared: string): string => {
  const counts = Object.values(rows);
  return `${counts.reduce((sum, count) => sum + count, 0)} rows in ${counts.length} tables, ${compared}`;
};
