import { setTimeout as pause } from 'node:timers/promises';
import { hasEnded, type OperationRecord } from '../../src/domain/operation.js';
import { coffeeShop } from '../../test/support/coffee-shop.js';
import {
  type ComposeMachine,
  type ComposePair,
  createComposePair,
  readApp,
} from '../../test/support/compose-pair.js';
import type { DockerEngine } from '../../test/support/docker-engine.js';
import { eventually, serves, standsBy } from '../../test/support/pair.js';
import { fillStatements, PGBENCH_TABLES, type Size } from './sizes.js';

/** Milliseconds, enough for the largest database. */
const PATIENCE = 900_000;

/** The defaults of a new installation, in place of the quick settings that the tests use. */
const DEFAULTS = {
  MONITOR: 'on',
  CHECK_INTERVAL: '5s',
  // Empty counts as not set: the default depends on CHECK_INTERVAL.
  CHECK_TIMEOUT: '',
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
  readonly #acknowledged = new Set<number>();

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
      ...coffeeShop(engines),
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
    await eventually('the shop is open', () => vcl2.read('/coffees'), PATIENCE);
    await vcl2.project.exec('db', [
      'pgbench',
      ...PGBENCH_TABLES,
      '--username=postgres',
      'coffee_dev',
    ]);
    await this.sql(fillStatements(size));
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await this.serves(vcl2);
    await this.order(vcl2);
    await this.backUp();
  }

  /** Places an order. @throws when it is not acknowledged */
  async order(machine: ComposeMachine): Promise<void> {
    if (!(await this.tryOrder(machine)))
      throw new Error(`${machine.agent.name} did not take an order`);
  }

  /** Places an order. Resolves to whether it was acknowledged; one that was not may be stored all the same. */
  async tryOrder(machine: ComposeMachine): Promise<boolean> {
    this.#orders += 1;
    const quantity = this.#orders;
    const isTaken = await machine.post('/order', { coffeeId: 1, quantity });
    if (isTaken) this.#acknowledged.add(quantity);
    return isTaken;
  }

  /** Whether the app there shows every acknowledged order. */
  async isRight(appUrl: string): Promise<boolean> {
    const orders = await readApp<Order[]>(`${appUrl}/orders`);
    const shown = new Set(orders?.map(({ quantity }) => quantity));
    return orders !== undefined && [...this.#acknowledged].every((each) => shown.has(each));
  }

  /** Deletes the orders of the turn before: thousands of them would make the app's answers slower. */
  async clearOrders(): Promise<void> {
    await this.sql('TRUNCATE orders');
    this.#acknowledged.clear();
  }

  /** Runs SQL in the database of VCL2, as its superuser. Resolves to what psql prints, unaligned. */
  async sql(statements: string): Promise<string> {
    const psql = ['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '--username=postgres', 'coffee_dev'];
    return (await this.vcl2.project.exec('db', psql, statements)).trim();
  }

  /** `11 MB in PostgreSQL 15.20`, as the server says. */
  async databaseSize(): Promise<string> {
    const query = "SELECT pg_size_pretty(pg_database_size('coffee_dev')), version()";
    const [size, version = ''] = (await this.sql(query)).split('|');
    return `${size} in ${version.split(' ').slice(0, 2).join(' ')}`;
  }

  /** Adds a large object that cannot be compressed to the database of VCL2. */
  async addNoise(bytes: number): Promise<void> {
    const file = '/tmp/noise';
    const write = `head -c ${bytes} /dev/urandom > ${file} && chmod 644 ${file}`;
    await this.vcl2.project.exec('db', ['sh', '-c', write]);
    await this.sql(`SELECT lo_import('${file}')`);
    await this.vcl2.project.exec('db', ['rm', file]);
  }

  /** VCL2 loses power: its agent, its Docker engine and every container end at once. */
  async losePower(): Promise<void> {
    await Promise.all([this.vcl2.agent.kill(), this.vcl2.project.engine.losePower()]);
  }

  /** VCL2 hangs: it accepts connections and answers nothing, until it loses power. */
  hang(): void {
    if (this.vcl2.agent.pid !== undefined) process.kill(this.vcl2.agent.pid, 'SIGSTOP');
    this.vcl2.project.engine.hang();
  }

  /** VCL2 boots and becomes a standby. */
  async comeBack(): Promise<void> {
    await this.vcl2.project.engine.boot();
    await this.vcl2.agent.start();
    await standsBy(this.vcl2, PATIENCE);
  }

  /** Restarts the agent there, with `env` in addition to its variables. */
  async restart({ agent }: ComposeMachine, env: Record<string, string> = {}): Promise<void> {
    await agent.stop();
    await agent.start(env);
  }

  /** The last promote of VCL3. */
  async lastPromote(): Promise<OperationRecord> {
    const promote = await this.vcl3.lastOperation('promote', 'done');
    if (promote === undefined) throw new Error('VCL3 has not taken over');
    return promote;
  }

  /** The moment at which the app there gives its first correct answer, as `Date.now`. */
  async firstAnswer(machine: ComposeMachine): Promise<number> {
    const deadline = Date.now() + PATIENCE;
    while (!(await this.isRight(machine.appUrl))) {
      if (Date.now() > deadline) throw new Error(`${machine.agent.name} does not answer`);
      await pause(10);
    }
    return Date.now();
  }

  /** Runs an operation on the primary to its end. @throws when it did not end as done */
  async run({ agent }: ComposeMachine, path: string): Promise<OperationRecord> {
    const { body: begun } = await agent.post<OperationRecord>(path);
    const record = await eventually(
      `${begun.id} on ${agent.name} has ended`,
      async () => {
        const now = await agent.operation(begun.id);
        return hasEnded(now) && now;
      },
      PATIENCE,
    );
    if (record.state === 'done') return record;
    throw new Error(`${begun.id} on ${agent.name}: ${JSON.stringify(record)}`);
  }

  /** Takes a backup of VCL2 and waits until the standby has committed and restored it. */
  async backUp(): Promise<OperationRecord> {
    const record = await this.run(this.vcl2, '/backups');
    await this.isPrepared(record);
    return record;
  }

  /** Waits until VCL3 has restored that backup. */
  async isPrepared({ result }: OperationRecord): Promise<void> {
    await eventually(
      'VCL3 is prepared',
      async () => {
        const { prepared, operation } = await this.vcl3.agent.status();
        return prepared === result?.backup && operation === null;
      },
      PATIENCE,
    );
  }

  async serves(machine: ComposeMachine): Promise<void> {
    await serves(machine, PATIENCE);
  }
}
