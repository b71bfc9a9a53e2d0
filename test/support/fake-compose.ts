import { ColdspareError } from '../../src/domain/errors.js';
import { type ComposeStackOptions, createComposeStack } from '../../src/drivers/compose/stack.js';
import type { Executor } from '../../src/drivers/run-command.js';
import type { Stack } from '../../src/ports/stack.js';

interface Service {
  image: string;
  depends_on?: Record<string, { condition: string }>;
  scale?: number;
  profiles?: string[];
}

interface Container {
  id: string;
  service: string;
  /** The name, and which image that was. */
  image: string;
  imageId: number;
  state: 'created' | 'running' | 'exited:0' | 'exited:137';
  files: string;
  labels: Record<string, string>;
}

const COMPLETED = 'service_completed_successfully';

/** As much of Docker Compose as the driver uses, in memory: services, images by name, and containers. */
export class FakeCompose implements Executor {
  services: Record<string, Service> = {};
  /** Which image a name stands for; a number for each build. */
  readonly images = new Map<string, number>();
  containers: Container[] = [];
  /** `service image build` of every container that was started. */
  readonly started: string[] = [];
  /** What the agent's override file says. */
  override = '';
  /** The error of every command, such as that of an engine that is down. */
  down: string | undefined;
  #ids = 0;
  readonly #disk = {
    read: async () => this.override,
    write: async (_path: string, text: string) => {
      this.override = text;
    },
  };

  build(...names: string[]): void {
    for (const name of names) {
      this.#ids += 1;
      this.images.set(name, this.#ids);
    }
  }

  kill(service: string): void {
    const container = this.containers.find((each) => each.service === service);
    if (container !== undefined) container.state = 'exited:137';
  }

  running(service: string): number {
    return this.containers.filter((each) => each.service === service && each.state === 'running')
      .length;
  }

  stack(more: Partial<ComposeStackOptions> = {}): Stack {
    return createComposeStack({
      command: 'docker compose',
      directory: '/srv/shop',
      services: { database: 'db', app: ['app'] },
      database: { host: '127.0.0.1', port: 5432, user: 'postgres', name: 'shop' },
      appHealthUrl: 'http://app.invalid/',
      probe: { get: async () => ({ outcome: 'refuses', detail: 'ECONNREFUSED' }) },
      disk: this.#disk as unknown as ComposeStackOptions['disk'],
      overrideFile: '/state/compose.override.yml',
      environment: { COMPOSE_FILE: 'compose.yml' },
      executor: this,
      ...more,
    });
  }

  async run(argv: readonly string[], { env = {} }: { env?: Record<string, string> }) {
    if (this.down !== undefined) throw failed(this.down);
    const [verb, ...args] = argv.slice(argv[1] === 'compose' ? 2 : 1);
    const names = args.filter((arg) => !arg.startsWith('-'));
    switch (verb) {
      case 'config':
        return this.#config(args);
      case 'ps':
        return this.#lines(argv[1] === 'compose' && names.length > 0 ? names : undefined);
      case 'inspect':
        return this.#inspect(args.slice(4));
      case 'image':
        return this.#inspectImages(args.slice(3));
      case 'up':
        return this.#up(args, names, env.COMPOSE_FILE ?? '');
      case 'stop':
        for (const each of this.containers)
          if (names.includes(each.service) && each.state === 'running') each.state = 'exited:137';
        return '';
      default:
        throw failed(`unknown: ${argv.join(' ')}`);
    }
  }

  open(): never {
    throw new Error('nothing runs in these containers');
  }

  #config(args: string[]): string {
    if (args.includes('--quiet')) return '';
    const names = this.#closure(args.filter((arg) => !arg.startsWith('-') && arg !== 'json'));
    if (args.includes('--images'))
      return names.map((name) => `${this.services[name]?.image}\n`).join('');
    return JSON.stringify({
      services: Object.fromEntries(names.map((name) => [name, this.services[name]])),
    });
  }

  #closure(names: readonly string[]): string[] {
    const found = new Set(names);
    for (const name of found)
      for (const needed of Object.keys(this.services[name]?.depends_on ?? {})) found.add(needed);
    return [...found];
  }

  #lines(services = Object.keys(this.services)): string {
    return this.containers
      .filter(({ service }) => services.includes(service))
      .map(({ id }) => `${id}\n`)
      .join('');
  }

  /** In the driver's own format. */
  #inspect(ids: string[]): string {
    return this.containers
      .filter(({ id }) => ids.includes(id))
      .map(
        ({ id, service, state, image, files, labels }) =>
          `${id} ${state === 'running'} ${state} no /shop-${service}-${id} ${service} shop ${image} ${labels['coldspare.instead-of'] ?? ''} ${files}\n`,
      )
      .join('');
  }

  #inspectImages(names: string[]): string {
    const missing = names.filter((name) => !this.images.has(name));
    if (missing.length === 0) return 'sha256:0\n';
    if (missing.length > 0)
      throw failed(missing.map((name) => `Error: No such image: ${name}`).join('\n'));
    return '';
  }

  #up(args: string[], names: string[], files: string): string {
    const isAlone = args.includes('--no-deps');
    const all = isAlone ? names : this.#closure(names).reverse();
    for (const name of all) {
      if (!this.images.has(this.#imageOf(name)))
        throw failed(`pull access denied for ${this.#imageOf(name)}`);
    }
    for (const name of all) this.#make(name, !args.includes('--no-recreate'), files);
    if (args.includes('--detach')) for (const name of all) this.#start(name);
    return '';
  }

  #imageOf(service: string): string {
    const section = this.override.split(`"${service}":`)[1]?.split(/^ {2}"/m)[0] ?? '';
    return /image: "(.*)"/.exec(section)?.[1] ?? this.services[service]?.image ?? '';
  }

  #labelOf(service: string): Record<string, string> {
    const section = this.override.split(`"${service}":`)[1]?.split(/^ {2}"/m)[0] ?? '';
    const [, name, value] = /labels: \{ "(.*?)": "(.*?)" \}/.exec(section) ?? [];
    return name === undefined ? {} : { [name]: value ?? '' };
  }

  #make(service: string, mayRecreate: boolean, files: string): void {
    const image = this.#imageOf(service);
    const imageId = this.images.get(image) ?? 0;
    // The agent's override changes the settings of whatever was made without it.
    const isCurrent = (each: Container) =>
      each.imageId === imageId && each.image === image && each.files === files;
    if (mayRecreate)
      this.containers = this.containers.filter(
        (each) => each.service !== service || isCurrent(each),
      );
    const count = this.containers.filter((each) => each.service === service).length;
    for (let made = count; made < (this.services[service]?.scale ?? 1); made += 1) {
      this.#ids += 1;
      const labels = this.#labelOf(service);
      const id = `c${this.#ids}`;
      this.containers.push({ id, service, image, imageId, state: 'created', files, labels });
    }
  }

  #start(service: string): void {
    const isOneShot = Object.values(this.services).some(
      ({ depends_on = {} }) => depends_on[service]?.condition === COMPLETED,
    );
    for (const each of this.containers) {
      if (each.service !== service || each.state === 'running') continue;
      each.state = isOneShot ? 'exited:0' : 'running';
      this.started.push(`${service} ${each.image} ${each.imageId}`);
    }
  }
}

const failed = (message: string) =>
  new ColdspareError('command-failed', `docker exited with 1: ${message}`, 'run docker by hand');
