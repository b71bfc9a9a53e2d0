import type { Measured, Row } from './figures.js';
import type { OldWay } from './old-way.js';
import type { Shop } from './shop.js';

/** The parameters of a measurement. Before and after it VCL2 serves and VCL3 is a cold standby. */
export interface Bench {
  shop: Shop;
  old: OldWay;
  /** Name of the database's size. */
  size: string;
  /** The limit that a figure has to keep at this size, if there is one. */
  wanted(atMost: NonNullable<Row['atMost']>): Pick<Row, 'atMost'>;
  /** How often each figure is measured. */
  runs: number;
  /** A directory for files that are removed at the end. */
  directory: string;
  /** Prints the progress. */
  say(text: string): void;
  /** Notes that a part could not be measured, and why. */
  miss(reason: string): void;
}

export type Measure = (bench: Bench) => Promise<Measured[]>;
