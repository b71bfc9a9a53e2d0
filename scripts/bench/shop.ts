import { setTimeout as pause } from 'node:timers/promises';
import type { OperationRecord } from '../../src/pure/operation.js';
import {
  type ComposeMachine,
  type ComposePair,
  createComposePair,
} from '../../test/support/compose-pair.js';
import { ComposeProject } from '../../test/support/compose-project.js';
import type { DockerEngine } from '../../test/support/docker-engine.js';
import { TOKENS } from '../../test/support/tokens.js';
import { eventually } from '../lib/agent-process.js';
import { fillStatements, PGBENCH_TABLES, type Size } from './sizes.js';

/** Milliseconds; the largest database takes its time. */
const PATIENCE = 900_000;

/** What a new installation has, where the pairs of the tests are set to be quick or quiet. */
const DEFAULTS = {
  MONITOR: 'on',
  CHECK_INTERVAL: '5s',
  CHECK_TIMEOUT: '3s',
  FAIL_THRESHOLD: '3',
  CONFIRM_CHECKS: '3',
  CONFIRM_INTERVAL: '2s',
  PREPARE: 'on-receive',
};

interface Order {
  quantity: number;
}

/** The reference application on two Docker engines with that much data, VCL2 serving, VCL3 cold. */
export class Shop {
  readonly vcl2: ComposeMachine;
  readonly vcl3: ComposeMachine;
  readonly #pair: ComposePair;
  #orders = 0;

  private constructor(pair: ComposePair) {
    this.#pair = pair;
    this.vcl2 = pair.vcl2;
    this.vcl3 = pair.vcl3;
  }

  static async open(
    engines: { vcl2: DockerEngine; vcl3: DockerEngine },
    size: Size,
  ): Promise<Shop> {
    const pair = await createComposePair({
      createProject: async (name, directory, appPort) => {
        const env = { APP_PORT: appPort, DB_PASSWORD: 'flat-white-7' };
        const project = await ComposeProject.create('coffee', directory, engines[name], env);
        await project.compose('build', '--quiet', 'app');
        return project;
      },
      healthPath: '/coffees',
      env: { ...DEFAULTS, DB_NAME: 'coffee_dev' },
    });
    const shop = new Shop(pair);
    try {
      await shop.#stock(size);
      return shop;
    } catch (error) {
      await shop.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pair.remove();
  }

  async #stock(size: Size): Promise<void> {
    const { vcl2, vcl3 } = this;
    await vcl2.project.compose('up', '--detach');
    await eventually('the shop is open', () => vcl2.read('/coffees'));
    const asUser = ['--username=postgres', 'coffee_dev'];
    await vcl2.project.exec('db', ['pgbench', ...PGBENCH_TABLES, ...asUser]);
    await vcl2.project.exec(
      'db',
      ['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', ...asUser],
      fillStatements(size),
    );
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await this.serves(vcl2);
    await this.order(vcl2);
    await this.backUp();
  }

  /** A customer's order, acknowledged. */
  async order(machine: ComposeMachine): Promise<void> {
    const quantity = this.#orders + 1;
    if (!(await machine.post('/order', { coffeeId: 1, quantity })))
      throw new Error(`order ${quantity} was not taken`);
    this.#orders = quantity;
  }

  /** Whether the app there shows every order. */
  async isRight(machine: ComposeMachine): Promise<boolean> {
    const orders = await machine.read<Order[]>('/orders');
    return orders?.at(-1)?.quantity === this.#orders && orders.length === this.#orders;
  }

  /** The moment at which the app there gives its first correct answer, as `Date.now`. */
  async firstAnswer(machine: ComposeMachine): Promise<number> {
    const deadline = Date.now() + PATIENCE;
    while (!(await this.isRight(machine))) {
      if (Date.now() > deadline) throw new Error(`${machine.agent.name} does not answer`);
      await pause(10);
    }
    return Date.now();
  }

  /** Runs an operation of the one who serves to its end. @throws when it did not end as done */
  async run(machine: ComposeMachine, path: string, body: object = {}): Promise<OperationRecord> {
    const headers = { authorization: `Bearer ${TOKENS.admin}` };
    const { body: begun } = await machine.agent.call<OperationRecord>('POST', path, {
      body,
      headers,
    });
    return this.ended(machine, begun.id);
  }

  async ended(machine: ComposeMachine, id: string): Promise<OperationRecord> {
    const record = await eventually(
      `${id} on ${machine.agent.name} has ended`,
      async () => {
        const now = await machine.agent.operation(id);
        return now.endedAt !== null && now;
      },
      PATIENCE,
    );
    if (record.state === 'done') return record;
    throw new Error(`${id} on ${machine.agent.name}: ${JSON.stringify(record)}`);
  }

  /** A backup that the standby has committed, and restored beside. */
  async backUp(): Promise<OperationRecord> {
    const [primary, standby] = await this.#roles();
    const record = await this.run(primary, '/backups');
    await eventually(
      'it is prepared',
      async () => {
        const { prepared, operation } = await standby.agent.status();
        return prepared === record.result?.backup && operation === null;
      },
      PATIENCE,
    );
    return record;
  }

  async serves(machine: ComposeMachine): Promise<void> {
    await eventually(
      `${machine.agent.name} serves`,
      async () => {
        const { serving, operation } = await machine.agent.status();
        return serving && operation === null;
      },
      PATIENCE,
    );
  }

  async standsBy(machine: ComposeMachine): Promise<void> {
    await eventually(
      `${machine.agent.name} stands by`,
      async () => {
        const { mode, operation, problems } = await machine.agent.status();
        return mode === 'standby' && operation === null && !problems.includes('standing-down');
      },
      PATIENCE,
    );
  }

  async #roles(): Promise<[ComposeMachine, ComposeMachine]> {
    const { mode } = await this.vcl2.agent.status();
    return mode === 'primary' ? [this.vcl2, this.vcl3] : [this.vcl3, this.vcl2];
  }
}
