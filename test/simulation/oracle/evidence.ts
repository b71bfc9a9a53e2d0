import { isServing } from '../../../src/serve/serving.js';
import type { Machine } from '../machine.js';
import { WRONG_APP } from '../options.js';
import type { Facts } from './facts.js';

/** From the last question to the commit or the start, with the disk and messages in between. Milliseconds. */
const ASKED_WITHIN = 3_000;
/** Messages that take longer than this may miss a deadline. Milliseconds. */
const SLOW = 1_000;
/** How often the role may change hands while both apps fail in the same way. */
const TAKEOVERS = 2;

/** Rules 2 and 7: what the checks could tell, whether a node went by it, and whether it went by more than that. */
export class Evidence {
  /** Since when the witness has told this machine that the other one serves. */
  readonly #servedSince = new Map<Machine, number>();
  /** Since when this machine could have seen that the other one is up. */
  readonly #upSince = new Map<Machine, number>();
  #sickSince: number | undefined;
  #takeovers = 0;
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** After every event. */
  check(): void {
    const [a, b] = this.#facts.machines;
    const { network } = this.#facts;
    const isClear = network.lossRate === 0 && network.slowest < SLOW;
    for (const [machine, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      const seesWitness = isClear && network.isOpenBothWays(machine.name, 'outside');
      this.#note(this.#servedSince, machine, seesWitness && this.#isSeenOutside(peer));
      const seesPeer = isClear && network.isOpenBothWays(machine.name, peer.name);
      this.#note(this.#upSince, machine, seesPeer && peer.isUp);
    }
    const areSick = a.app.isSick && b.app.isSick;
    if (!areSick) this.#takeovers = 0;
    this.#sickSince = areSick ? (this.#sickSince ?? this.#facts.timeline.now) : undefined;
  }

  /** This machine's agent has just become the primary, on disk. */
  committed(machine: Machine): void {
    const { promotions, timeline } = this.#facts;
    const { record, epoch } = promotions.get(machine) ?? {};
    if (record?.command.type !== 'promote' || record.command.force === true) return;
    const how = `${machine.name} at epoch ${epoch} by ${record.id}`;
    const fence = record.steps.findLast(({ name }) => name === 'fence')?.detail;
    const isUnfenced = fence?.startsWith('could not be fenced') === true;
    if (isUnfenced) {
      this.#checkWitness(
        machine,
        `commits though it has seen for long that the users are served: ${how}`,
      );
      if (record.source === 'monitor') this.#checkBaseline(machine, how);
    }
    if (this.#sickSince === undefined || this.#sickSince > timeline.now - ASKED_WITHIN) return;
    this.#takeovers = isUnfenced ? 0 : this.#takeovers + 1;
    if (this.#takeovers > TAKEOVERS)
      this.#facts.violate(7, `the role goes back and forth though both apps fail alike: ${how}`);
  }

  /** This machine's agent has asked its peer, as every start does. */
  hasAsked(machine: Machine): void {
    const alone = machine.node?.peerView.servingWithoutPeer;
    if (alone?.includes('ALONE=serve') !== true || machine.app.state !== 'stopped') return;
    this.#checkWitness(
      machine,
      `${machine.name} serves alone though the witness sees the other one`,
    );
  }

  #checkWitness(machine: Machine, what: string): void {
    if (machine.agent?.node?.settings.witnessUrl === undefined) return;
    const since = this.#servedSince.get(machine);
    const isLong = since !== undefined && this.#facts.timeline.now - since > ASKED_WITHIN;
    if (isLong && machine.disk.slowness === 1) this.#facts.violate(2, what);
  }

  /** Only an agent is gone: a check that never worked is no reason to think that the app is. */
  #checkBaseline(machine: Machine, how: string): void {
    const settings = machine.agent?.node?.settings;
    const hasWrongCheck = settings?.primaryCheckUrl === WRONG_APP;
    if (!hasWrongCheck || settings?.witnessUrl !== undefined) return;
    const since = this.#upSince.get(machine);
    const [a, b] = this.#facts.machines;
    const peer = machine === a ? b : a;
    const isLong = since !== undefined && this.#facts.timeline.now - since > 30_000;
    if (isLong && peer.takesWrites)
      this.#facts.violate(
        2,
        `takes over from an app that serves, by a check that never worked: ${how}`,
      );
  }

  /** As the load balancer asks: the agent first, then the app. */
  #isSeenOutside(machine: Machine): boolean {
    return (
      machine.node !== undefined &&
      this.#facts.network.isOpenBothWays('outside', machine.name) &&
      isServing(machine.node) &&
      machine.takesWrites
    );
  }

  #note(since: Map<Machine, number>, machine: Machine, holds: boolean): void {
    if (!holds) since.delete(machine);
    else if (!since.has(machine)) since.set(machine, this.#facts.timeline.now);
  }
}
