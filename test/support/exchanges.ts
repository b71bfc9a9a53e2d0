import type { Link } from './link.js';
import type { Machine } from './pair.js';
import type { Tap } from './tcp-gate.js';

/** What gets lost when the link is cut: a request, or the answer to one that the other node has acted on. */
export type Fate = 'request' | 'answer';

/**
 * Cuts the link at the first message that it has not been cut at before. Messages are known by their sender, their
 * method and path, and by whether an answer tells of a commit; so which there are comes from the agents themselves.
 */
export class Exchanges {
  readonly #link: Link;
  readonly #fate: Fate;
  readonly #isWanted: (message: string) => boolean;
  readonly #known = new Set<string>();
  #struck: string | undefined;

  /** `isWanted`: whether to cut at this message. */
  constructor(link: Link, fate: Fate, isWanted: (message: string) => boolean) {
    this.#link = link;
    this.#fate = fate;
    this.#isWanted = isWanted;
  }

  /** Blocks the next new message and everything after it, until `heal`. */
  arm(primary: Machine): void {
    this.#struck = undefined;
    const isVcl2 = primary.agent.name === 'vcl2';
    this.#link.toVcl3.agent.tap = this.#watch(isVcl2 ? 'primary' : 'standby');
    this.#link.toVcl2.agent.tap = this.#watch(isVcl2 ? 'standby' : 'primary');
  }

  /** The message at which the link was cut. */
  get struck(): string | undefined {
    return this.#struck;
  }

  /** All messages at which it was cut so far. */
  get cuts(): string[] {
    return [...this.#known];
  }

  /** The link carries everything again. */
  heal(): void {
    this.#link.toVcl3.agent.tap = undefined;
    this.#link.toVcl2.agent.tap = undefined;
    this.#link.heal();
  }

  #watch(sender: 'primary' | 'standby'): Tap {
    const requests = new Map<number, string | undefined>();
    return (connection, isInward, chunk) => {
      const text = chunk.toString('latin1');
      if (isInward && !requests.has(connection)) requests.set(connection, nameOf(text));
      const name = requests.get(connection);
      // One that began before anybody watched.
      if (name === undefined) return;
      const request = `the ${sender}'s ${name}`;
      if (this.#fate === 'request' && isInward) this.#cutAt(request);
      if (this.#fate === 'answer' && !isInward)
        this.#cutAt(/"committed": ?true/.test(text) ? `${request}, committed` : request);
    };
  }

  #cutAt(message: string): void {
    if (this.#struck !== undefined || this.#known.has(message) || !this.#isWanted(message)) return;
    this.#known.add(message);
    this.#struck = message;
    this.#link.cut();
  }
}

/** `PUT /backups/*`: ids differ from one time to the next. */
const nameOf = (request: string): string | undefined => {
  const [, method, path = ''] = /^(\w+) (\S+) HTTP/.exec(request) ?? [];
  return method && `${method} ${path.replace(/\/[^/]*\d{8}_\d{6}[^/]*/, '/*')}`;
};
