import { randomBytes } from 'node:crypto';
import type { Ids } from '../ports/ids.js';

export const createRandomIds = (): Ids => ({ random: () => randomBytes(16).toString('hex') });
