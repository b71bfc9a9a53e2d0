import type { Machine } from '../machine.js';
import type { Facts } from './facts.js';

/** Both machines take writes. */
interface Episode {
  why: string;
  /** The one with the lower epoch, which has to go. */
  loser: Machine;
  beganAt: number;
}

/** How long two that can talk to each other may take to end what a cut link had let happen. Milliseconds. */
export const PATIENCE = 30_000;
/** An agent that runs has asked its peer at least once in this time, CHECK_INTERVAL and the answer's way. Milliseconds. */
const ASKS_WITHIN = 7_000;
/** Messages that take longer than this may miss a deadline: nobody can tell that from silence. Milliseconds. */
const SLOW = 1_000;

/** Rules 2 and 8: who takes writes, and whether anything allows it. */
export class OneWriter {
  /** Cases in which both took writes that a policy allows, by their reason. */
  readonly documented = new Map<string, number>();
  readonly #reachSince = new Map<Machine, number>();
  /** When an agent last had its app started; undefined when it could not have asked its peer then. */
  readonly #startedAt = new Map<Machine, number | undefined>();
  /** From when on an operation has yet to ask its peer: it begins, or its database is ready and it has to ask once more. */
  readonly #askedAt = new Map<string, number>();
  #episode: Episode | undefined;
  #contactSince: number | undefined = 0;
  readonly #loose = new Map<Machine, number>();
  /** When an agent last was there to see its app serve, and in which run of the machine. */
  readonly #served = new Map<Machine, { at: number; boots: number }>();
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** An agent starts its app. Returns whether it could have asked its peer. */
  starting(machine: Machine): boolean {
    const { now } = this.#facts.timeline;
    const since = this.#reachSince.get(machine) ?? now;
    // Every start of an agent begins with a question.
    const couldAsk = now - since > ASKS_WITHIN || since <= (machine.agent?.startedAt ?? 0);
    this.#startedAt.set(machine, couldAsk ? now : undefined);
    return couldAsk;
  }

  /** An agent is about to take a step. */
  reached(operation: string): void {
    if (!this.#askedAt.has(operation)) this.#askedAt.set(operation, this.#facts.timeline.now);
  }

  /** An agent has taken a step. */
  passed(machine: Machine, operation: string, label: string): void {
    if (label === 'promote.swap') this.#askedAt.set(operation, this.#facts.timeline.now);
    if (label === 'boot.ask-peer') this.#checkPatience(machine);
  }

  /** Who has just been started and got no answer waits, unless nobody had the time to take over (H62). */
  #checkPatience(machine: Machine): void {
    const { now } = this.#facts.timeline;
    const { agent } = machine;
    if (agent?.node === undefined || agent.node.peerView.answer !== undefined) return;
    const { aloneGrace, checkInterval, failThreshold } = agent.node.settings;
    const served = this.#served.get(machine);
    const wasBrief =
      served?.boots === machine.boots &&
      agent.startedAt - served.at < checkInterval * failThreshold;
    if (now - agent.startedAt < aloneGrace && !wasBrief)
      this.#facts.violate(
        2,
        `${machine.name} serves without an answer of its peer, and did not wait for one`,
      );
  }

  /** After every event. */
  check(): void {
    const [a, b] = this.#facts.machines;
    const isA = a.takesWrites;
    const isB = b.takesWrites;
    this.#checkContact(a, b);
    for (const machine of [a, b])
      if (machine.agent?.node?.local.opened && machine.app.state === 'running')
        this.#served.set(machine, { at: this.#facts.timeline.now, boots: machine.boots });
    if (isA && isB) this.#checkEpisode();
    else this.#episode = undefined;
    this.#checkGuard(a, isA);
    this.#checkGuard(b, isB);
  }

  /** Since when each could have asked its peer, and both could have talked, without a hitch. */
  #checkContact(a: Machine, b: Machine): void {
    const { now } = this.#facts.timeline;
    const isOpen =
      this.#facts.network.lossRate === 0 &&
      this.#facts.network.slowest < SLOW &&
      this.#facts.network.isOpenBothWays(a.name, b.name) &&
      !a.disk.isFull &&
      !b.disk.isFull;
    const listens = (machine: Machine) => machine.agent?.isListening === true;
    for (const [machine, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!isOpen || !listens(peer)) this.#reachSince.delete(machine);
      else if (!this.#reachSince.has(machine)) this.#reachSince.set(machine, now);
    }
    if (!isOpen || !listens(a) || !listens(b)) this.#contactSince = undefined;
    else this.#contactSince ??= now;
  }

  /** Rule 2: two that take writes are one too many, unless a policy says otherwise; and not for long. */
  #checkEpisode(): void {
    const { now } = this.#facts.timeline;
    if (this.#episode === undefined) {
      this.#episode = this.#newEpisode();
      const { why } = this.#episode;
      if (why.startsWith('!')) this.#facts.violate(2, why.slice(1));
      else this.documented.set(why, (this.documented.get(why) ?? 0) + 1);
    }
    const { beganAt, why } = this.#episode;
    const since = Math.max(beganAt, this.#contactSince ?? now);
    if (now - since <= PATIENCE) return;
    this.#facts.violate(2, `both take writes for ${Math.round((now - since) / 1_000)} s (${why})`);
    this.#episode.beganAt = Number.POSITIVE_INFINITY;
  }

  #newEpisode(): Episode {
    const [a, b] = this.#facts.machines;
    // A superseded node has heard the other one's epoch: then they share it, and it is the standby of the two.
    const isA =
      this.#facts.epochOf(a) === this.#facts.epochOf(b)
        ? this.#facts.stateOf(a)?.mode !== 'standby'
        : this.#facts.epochOf(a) > this.#facts.epochOf(b);
    const [winner, loser] = isA ? [a, b] : [b, a];
    return { why: this.#whyBoth(winner, loser), loser, beganAt: this.#facts.timeline.now };
  }

  /** Why both take writes; with a leading "!" when nothing allows it. */
  #whyBoth(winner: Machine, loser: Machine): string {
    if (loser.app.startedBy === 'somebody else')
      return 'somebody else started the app of a node that may not serve';
    if (this.#facts.stateOf(winner)?.mode === 'standby')
      return `!${winner.name} takes writes as a standby`;
    const promotion = this.#facts.promotions.get(winner);
    if (promotion === undefined) return `!${loser.name} takes writes beside ${winner.name}`;
    const { record } = promotion;
    const asked = this.#askedAt.get(record?.id ?? '') ?? promotion.at;
    const couldTalk =
      this.#contactSince !== undefined &&
      this.#contactSince < asked &&
      this.#facts.network.lastFailure < asked;
    const fence = record?.steps.findLast(({ name }) => name === 'fence');
    const how = `${winner.name} at epoch ${promotion.epoch} by ${record?.id}, ${loser.name} at ${this.#facts.epochOf(loser)}, fence: ${fence?.detail}`;
    if (couldTalk) return `!both take writes though they could talk in time: ${how}`;
    if ((this.#startedAt.get(loser) ?? 0) > promotion.at)
      return `!${loser.name} has started its app though its peer could have told it not to: ${how}`;
    if (record?.command.type === 'take-over')
      return `!${loser.name} takes writes after it has handed over: ${how}`;
    const force = record?.command.force === true;
    if (fence === undefined)
      return force ? 'a promise was taken back by force' : `!no fence: ${how}`;
    if (fence.detail?.startsWith('could not be fenced') !== true)
      return `!${loser.name} takes writes though it was fenced (${fence.detail}): ${how}`;
    if (force) return 'forced, and the peer could not be fenced';
    const witness = winner.node?.settings.witnessUrl !== undefined;
    return `${String(record?.command.source)}, ${witness ? 'the witness saw no service' : 'no witness'}, and the peer could not be fenced`;
  }

  /** Rule 8: an app that somebody started where it may not run is stopped as soon as an agent is there to do it. */
  #checkGuard(machine: Machine, takesWrites: boolean): void {
    const { now } = this.#facts.timeline;
    const mode = this.#facts.stateOf(machine)?.mode;
    const isLoose =
      takesWrites &&
      mode !== 'primary' &&
      machine.agent?.isListening === true &&
      machine.health.slowness === 1 &&
      machine.health.sickness === 0 &&
      !machine.disk.isFull;
    if (!isLoose) {
      this.#loose.delete(machine);
      return;
    }
    const since = this.#loose.get(machine) ?? now;
    this.#loose.set(machine, since);
    if (now - since <= PATIENCE) return;
    this.#loose.set(machine, Number.POSITIVE_INFINITY);
    this.#facts.violate(8, `${machine.name} is ${mode} and its app has taken writes for 30 s`);
  }
}
