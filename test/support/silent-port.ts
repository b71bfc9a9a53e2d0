import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const SERVER = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
  function () { process.stdout.write(String(this.address().port)); });`;

/** More connections than the kernel queues with a backlog of 1. */
const CROWD = 6;

/** A port on this machine where connections wait for ever, as with a machine behind a cut link. */
export const silentPort = async (): Promise<{ port: number; close(): Promise<void> }> => {
  const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout, 'data');
  const port = Number(text);
  // A stopped process accepts nobody, so that the first connections fill the queue.
  child.kill('SIGSTOP');
  const crowd: Socket[] = Array.from({ length: CROWD }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    return socket;
  });
  await once(crowd[0] as Socket, 'connect');
  return {
    port,
    close: async () => {
      for (const socket of crowd) socket.destroy();
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
};
