import type { Node } from '../../src/operations/node.js';
import { AppImage } from './app.js';
import { type Contents, DATABASE_NAME, type Health, newContents, ServerImage } from './database.js';
import { DiskImage, type File } from './disk.js';
import type { Life } from './life.js';
import type { Random } from './random.js';
import type { Timeline } from './timeline.js';

export type MachineName = 'vcl2' | 'vcl3';

/** A run of an agent: its process, and what it is once it has read its state. */
export interface AgentRun {
  life: Life;
  node: Node | undefined;
  isListening: boolean;
  startedAt: number;
}

/** A machine as it was once. */
export interface Snapshot {
  files: ReadonlyMap<string, File>;
  databases: ReadonlyMap<string, Contents>;
}

/** One server: a disk, a database server, an app, and at times an agent. */
export class Machine {
  readonly name: MachineName;
  readonly disk: DiskImage;
  readonly server = new ServerImage();
  readonly app: AppImage;
  readonly health: Health = { slowness: 1, sickness: 0 };
  isUp = true;
  /** How often it was started. */
  boots = 1;
  /** Milliseconds that somebody has set its clock wrong. */
  clockError = 0;
  agent: AgentRun | undefined;

  constructor(name: MachineName, timeline: Timeline, random: Random) {
    this.name = name;
    this.disk = new DiskImage(random);
    this.app = new AppImage(this.server, timeline);
  }

  /** Whether a write sent to its app would be taken now. */
  get takesWrites(): boolean {
    return this.isUp && this.app.takesWrites;
  }

  get node(): Node | undefined {
    return this.agent?.isListening ? this.agent.node : undefined;
  }

  /** The agent's process is killed; its service manager will have to start it again. */
  killAgent(): void {
    const run = this.agent;
    this.agent = undefined;
    run?.life.end({ losesPower: false });
  }

  killDatabase(): void {
    this.server.stop();
  }

  losePower(): void {
    const run = this.agent;
    this.agent = undefined;
    this.isUp = false;
    this.boots += 1;
    run?.life.end({ losesPower: true });
    this.app.stop();
    this.server.stop();
    this.disk.losePower();
  }

  /** Its volume is made anew and empty, as by a deploy gone wrong (H16). */
  recreateVolume(): void {
    this.server.databases.clear();
    this.server.databases.set(DATABASE_NAME, newContents());
  }

  snapshot(): Snapshot {
    const databases = [...this.server.databases].map(
      ([name, contents]) => [name, { ...contents, rows: new Set(contents.rows) }] as const,
    );
    return { files: this.disk.snapshot(), databases: new Map(databases) };
  }

  /** All of it goes back to the snapshot, or its state directory alone. Only while it has no power. */
  rewind({ files, databases }: Snapshot, isStateOnly: boolean): void {
    const backups = `/${this.name}/backups/`;
    this.disk.restore(files, (path) => !isStateOnly || !path.startsWith(backups));
    if (isStateOnly) return;
    this.server.databases.clear();
    for (const [name, contents] of databases) this.server.databases.set(name, contents);
  }
}
