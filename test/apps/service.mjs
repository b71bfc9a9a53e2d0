// A service manager in small: `start` returns when the port answers, `stop` when the process is gone.
// Usage: node service.mjs start|stop PID_FILE PROGRAM
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const [action, pidFile, program] = process.argv.slice(2);

/** The number may be another process's by now; a dead one that nobody has reaped has no command line. */
const isAlive = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(pidFile);
  } catch {
    return false;
  }
};
const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined;

if (action === 'start') {
  if (existsSync(`${pidFile}.broken`)) throw new Error('the app cannot be started on this machine');
  if (pid === undefined || !isAlive(pid)) {
    const log = openSync(`${pidFile}.log`, 'a');
    const child = spawn(process.execPath, [program, pidFile], {
      detached: true,
      stdio: ['ignore', log, log],
    });
    writeFileSync(pidFile, `${child.pid}`);
    closeSync(log);
    child.unref();
  }
} else {
  if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGTERM');
  while (pid !== undefined && isAlive(pid)) await pause(20);
  rmSync(pidFile, { force: true });
}
