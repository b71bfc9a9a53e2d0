// What systemctl does for one service, without systemd, below COLDSPARE_TEST_ROOT: units are loaded by daemon-reload,
// a service runs as its User with its EnvironmentFile and nothing else, is restarted when it ends, and a stop ends
// its main process alone (KillMode=process).
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const root = process.env.COLDSPARE_TEST_ROOT;
const [verb, ...rest] = process.argv.slice(2);
const options = rest.filter((word) => word.startsWith('--'));
const service = rest.find((word) => !word.startsWith('--'));

const units = join(root, 'etc/systemd/system');
const run = join(root, 'run');
const file = (kind) => join(run, `${service}.${kind}`);
const unitFile = join(units, `${service}.service`);
const wants = join(units, 'multi-user.target.wants', `${service}.service`);
mkdirSync(run, { recursive: true });

const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
const state = () => ({
  active: 'inactive',
  sub: 'dead',
  pid: 0,
  ...JSON.parse(read(file('state')) ?? '{}'),
});
const note = (more) => {
  writeFileSync(`${file('state')}.new`, JSON.stringify({ ...state(), ...more }));
  renameSync(`${file('state')}.new`, file('state'));
};
/** The number may be another process's by now. */
const isAlive = (pid) => {
  try {
    return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0supervise\0');
  } catch {
    return false;
  }
};

const load = () => {
  if (!existsSync(unitFile)) {
    console.error(`Unit ${service}.service could not be found.`);
    process.exit(5);
  }
  copyFileSync(unitFile, file('loaded'));
};
/** The value of a setting of the unit as it was loaded. */
const setting = (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(read(file('loaded')))?.[1];

/** As a POSIX shell reads it, which is how systemd reads double quotes too. */
const readEnvironment = (path) =>
  Object.fromEntries(
    execFileSync('env', ['-i', 'sh', '-c', 'set -a; . "$1"; exec env -0', 'sh', path], {
      encoding: 'utf8',
    })
      .split('\0')
      .filter((line) => line.includes('=') && !/^(PWD|SHLVL|_)=/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

const supervise = async () => {
  let isStopping = false;
  let child;
  process.on('SIGTERM', () => {
    isStopping = true;
    child?.kill('SIGTERM');
  });
  for (;;) {
    const user = setting('User');
    const [id, group] = ['-u', '-g'].map((flag) =>
      Number(execFileSync('id', [flag, user], { encoding: 'utf8' })),
    );
    const log = openSync(file('log'), 'a');
    const [program, ...args] = setting('ExecStart').split(' ');
    child = spawn(program, args, {
      uid: id,
      gid: group,
      detached: true,
      cwd: setting('WorkingDirectory'),
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...readEnvironment(setting('EnvironmentFile')) },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    note({ active: 'active', sub: 'running', pid: child.pid });
    await new Promise((resolve) => child.once('exit', resolve));
    if (isStopping) break;
    note({ active: 'activating', sub: 'auto-restart', pid: 0 });
    await pause(Number(setting('RestartSec')) * 1000);
    if (isStopping) break;
  }
  note({ active: 'inactive', sub: 'dead', pid: 0, supervisor: 0 });
};

const stop = async () => {
  const { supervisor } = state();
  if (isAlive(supervisor)) process.kill(supervisor, 'SIGTERM');
  while (isAlive(supervisor)) await pause(20);
  note({ active: 'inactive', sub: 'dead', pid: 0, supervisor: 0 });
};

const start = async () => {
  if (!existsSync(file('loaded'))) load();
  if (isAlive(state().supervisor)) return;
  const child = spawn(process.execPath, [process.argv[1], 'supervise', service], {
    detached: true,
    stdio: 'ignore',
  });
  note({ supervisor: child.pid, active: 'activating', sub: 'start' });
  child.unref();
  while (state().sub === 'start') await pause(20);
};

const verbs = {
  '--version': () => console.log('systemd in small'),
  'daemon-reload': () => {
    for (const name of ['coldspare']) {
      const path = join(units, `${name}.service`);
      if (existsSync(path)) copyFileSync(path, join(run, `${name}.loaded`));
    }
  },
  enable: () => {
    mkdirSync(join(units, 'multi-user.target.wants'), { recursive: true });
    if (!existsSync(wants)) writeFileSync(wants, '');
  },
  disable: () => rmSync(wants, { force: true }),
  'is-enabled': () => {
    console.log(existsSync(wants) ? 'enabled' : 'disabled');
    process.exitCode = existsSync(wants) ? 0 : 1;
  },
  start,
  stop,
  restart: async () => {
    await stop();
    await start();
  },
  supervise,
  status: () => {
    console.log((read(file('log')) ?? '').split('\n').slice(-12).join('\n'));
    process.exitCode = 3;
  },
  show: () => {
    const { active, sub, pid } = state();
    const values = {
      ActiveState: active,
      SubState: sub,
      UnitFileState: existsSync(wants) ? 'enabled' : existsSync(unitFile) ? 'disabled' : '',
      MainPID: pid,
    };
    const wanted = options
      .find((word) => word.startsWith('--property='))
      ?.slice(11)
      .split(',');
    for (const name of wanted ?? []) console.log(`${name}=${values[name]}`);
  },
};
if (verbs[verb] === undefined) throw new Error(`systemctl ${verb} is not part of this one`);
await verbs[verb]();
