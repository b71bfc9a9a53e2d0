import type { Measured, Row } from './figures.js';
import type { OldWay } from './old-way.js';
import type { Shop } from './shop.js';

/** What every measurement is given. VCL2 serves before and after, with VCL3 cold. */
export interface Bench {
  shop: Shop;
  old: OldWay;
  /** Name of the database's size. */
  size: string;
  /** What is wanted of a figure, if it is wanted at this size. */
  wanted(atMost: NonNullable<Row['atMost']>): Pick<Row, 'atMost'>;
  /** How often each figure is measured. */
  runs: number;
  /** For files that may stay until the end. */
  directory: string;
  /** Tells a person how far it is. */
  say(text: string): void;
  /** Part of it cannot be measured here, for that reason. */
  miss(reason: string): void;
}

export type Measure = (bench: Bench) => Promise<Measured[]>;
