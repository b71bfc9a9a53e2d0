import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually } from '../lib/agent-process.js';
import type { Machine } from './machine.js';
import { followHandover, type Stage, settleAccounts, untilServing } from './stage.js';

/** Only the app has crashed: a last dump saves what was written since the backup. */
export const crashApp = async (stage: Stage): Promise<void> => {
  const { narrator, vcl2, vcl3, customers } = stage;
  narrator.scene("VCL2's app crashes");
  const crashedAt = Date.now();
  await vcl2.crashApp();
  narrator.say("SIGKILL to VCL2's app; nobody tells VCL3, its own monitor has to see it");
  const seen = vcl3.operation('promote', crashedAt);
  const { id, reason } = await narrator.during("VCL3's monitor looks", seen);
  narrator.quote(vcl3, reason);
  const promote = await narrator.follow(vcl3, id);
  // Pause at once: VCL2 lacks nothing but its app, so the automatic failback would come within seconds.
  await vcl3.pause('VCL2 is being mended');
  narrator.say('POST /pause on VCL3: no failback by itself while VCL2 is mended');
  narrator.claim('VCL3 took over', promote.state === 'done', promote.error);
  const rescued = promote.result?.rescue;
  narrator.claim(
    `with a last dump of VCL2's database, ${rescued}`,
    promote.result?.backup === rescued,
    promote.result,
  );
  narrator.quote(vcl3, promote.result?.loss);

  await untilServing(stage, vcl3);
  await narrator.during('customers order', customers.place(8));
  const lost = await settleAccounts(stage, "VCL2's app crashed", crashedAt);
  narrator.claim('0 orders lost, checked one by one through VCL1', lost.length === 0, lost);
};

/** The planned way back, asked for by a person. */
export const handBack = async (stage: Stage): Promise<void> => {
  const { narrator, vcl2, vcl3, customers } = stage;
  narrator.scene('VCL3 hands back to VCL2');
  await narrator.during('VCL2 becomes a ready standby', untilReady(vcl2));
  const askedAt = Date.now();
  narrator.say('POST /demote on VCL3');
  await followHandover(stage, vcl3, vcl2, await untilAccepted(vcl3));
  await vcl3.endPause();
  narrator.say('DELETE /pause on VCL3');

  await untilServing(stage, vcl2);
  await narrator.during('customers order', customers.place(8));
  const lost = await settleAccounts(stage, 'VCL3 handed back (POST /demote)', askedAt);
  narrator.claim('0 orders lost, checked one by one through VCL1', lost.length === 0, lost);
};

/** Asks again when VCL2 is not ready for a second or two because it is just checking VCL3. */
const untilAccepted = (machine: Machine): Promise<string> =>
  eventually(
    `${machine.name} may hand over`,
    async () => {
      const command = { reason: 'VCL2 is mended' };
      const wait = { prefer: 'wait=2' };
      const { body } = await machine.agent.post<OperationRecord>('/demote', command, wait);
      return body.error?.code === 'peer-not-ready' ? undefined : body.id;
    },
    60_000,
  );

const untilReady = (machine: Machine): Promise<unknown> =>
  eventually(
    `${machine.name} is a ready standby`,
    async () => {
      const { mode, operation, problems } = await machine.agent.status();
      return mode === 'standby' && operation === null && !problems.includes('standing-down');
    },
    60_000,
  );
