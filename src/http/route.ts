import type { Context } from 'hono';
import type { Node } from '../operations/node.js';
import type { Source } from '../pure/operation.js';

/** Who may come in. Each door has its own key, and a key opens no other door. */
export type Door = 'peer' | 'admin' | 'webhook';

export interface HttpEnv {
  Variables: {
    /** The door that the caller's key opened; undefined on a route that is open to all. */
    door: Door | undefined;
  };
}

export type HttpContext = Context<HttpEnv>;

/** One line of the contract. The table of all of them is what the doors, the 405s and the tests go by. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for a part that varies. */
  path: string;
  /** None: open to all. */
  doors: readonly Door[];
  /** A peer that is behind us is refused, because what it sends belongs to a past epoch. */
  refusesStaleEpoch?: true;
  handle(c: HttpContext, node: Node): Response | Promise<Response>;
}

/** Who asks, as operations name it. */
export const sourceOf = (c: HttpContext): Source => {
  const door = c.get('door');
  return door === 'peer' || door === 'webhook' ? door : 'operator';
};
