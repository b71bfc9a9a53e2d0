import { TcpGate } from './tcp-gate.js';

/** The connections from one machine to the agent and the app of the other. */
export interface Way {
  agent: TcpGate;
  app: TcpGate;
}

/** Carries all traffic between the two machines, and none of anybody else's. */
export class Link {
  readonly toVcl2: Way;
  readonly toVcl3: Way;

  private constructor(toVcl2: Way, toVcl3: Way) {
    this.toVcl2 = toVcl2;
    this.toVcl3 = toVcl3;
  }

  static async between(vcl2: Ports, vcl3: Ports): Promise<Link> {
    return new Link(await openWay(vcl2), await openWay(vcl3));
  }

  /** Cuts the link between the machines, which both go on running. */
  cut(): void {
    for (const gate of this.#gates()) gate.cut();
  }

  heal(): void {
    for (const gate of this.#gates()) gate.heal();
  }

  async close(): Promise<void> {
    await Promise.all(this.#gates().map((gate) => gate.close()));
  }

  #gates(): TcpGate[] {
    return [this.toVcl2, this.toVcl3].flatMap(({ agent, app }) => [agent, app]);
  }
}

interface Ports {
  agent: number;
  app: number;
}

const openWay = async ({ agent, app }: Ports): Promise<Way> => ({
  agent: await TcpGate.to(agent),
  app: await TcpGate.to(app),
});
