import type { DatabaseGlobals, Inventory } from '../../domain/manifest.js';
import type { Marker } from '../../domain/marker.js';
import type { DumpFacts, Staging } from '../../ports/stack.js';

/** What the driver asks the database server, and what it answers. */
interface Requests {
  exists(body: null): boolean;
  live(body: null): { exists: boolean; marker?: Marker | undefined };
  mark(body: Marker): void;
  inventory(body: { of?: Staging | undefined }): Inventory;
  dump(body: null): Omit<DumpFacts, 'marker'> & { marker?: Marker | undefined };
  restore(body: { beside: Staging; surroundings?: DatabaseGlobals | undefined }): void;
  answer(body: { sql: string }): unknown;
  discard(body: { beside: Staging }): void;
  swap(body: { marker: Marker; keepAs: string }): { kept: boolean };
  setAside(body: { keepAs: string }): void;
  others(body: null): string[];
  drop(body: { name: string }): void;
  freeze(body: null): void;
  thaw(body: null): void;
  writes(body: null): string;
}

export type RequestName = keyof Requests;
export type Body<Name extends RequestName> = Parameters<Requests[Name]>[0];
export type Answer<Name extends RequestName> = ReturnType<Requests[Name]>;
