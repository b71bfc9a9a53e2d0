import type { DatabaseService } from './server/database-service.js';

/** The methods of the database server that the driver may call over the control socket. */
export const REQUESTS = [
  'exists',
  'live',
  'mark',
  'inventory',
  'dump',
  'restore',
  'answer',
  'discard',
  'swap',
  'setAside',
  'others',
  'drop',
  'setFrozen',
  'writes',
] as const;

export type RequestName = (typeof REQUESTS)[number];
/** Both travel as JSON, so what is undefined on one side is absent on the other. */
export type Arguments<Name extends RequestName> = Parameters<DatabaseService[Name]>;
export type Answer<Name extends RequestName> = Awaited<ReturnType<DatabaseService[Name]>>;
