import type { Probe } from '../../ports/probe.js';
import type { App } from '../../ports/stack.js';
import { localExecutor } from '../command.js';
import { createService, type ServiceCommands } from './service.js';

const PROBE_TIMEOUT_MS = 5_000;

export interface HostAppOptions {
  commands: ServiceCommands;
  healthUrl: string;
  probe: Probe;
  log: string;
  /** Milliseconds. */
  timeouts: { start: number; stop: number };
}

/** An app counts as running while something listens at its health URL: that is the same for every service manager. */
export const createHostApp = ({ healthUrl, probe, ...options }: HostAppOptions): App => {
  const check = () => probe.get(healthUrl, PROBE_TIMEOUT_MS);
  // An app that does not answer, or hangs, may still write.
  const isRunning = async () => (await check()).outcome !== 'refuses';
  const service = createService({
    ...options,
    executor: localExecutor,
    isRunning,
    code: 'app-failed',
    address: healthUrl,
  });
  return { ...service, isRunning, check };
};
