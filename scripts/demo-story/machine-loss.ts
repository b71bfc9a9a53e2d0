import type { DryRun } from '../../src/domain/answers.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import type { Accepted } from './customers.js';
import { followHandover, type Stage, settleAccounts, untilServing } from './stage.js';

/** VCL2 is gone altogether: what was written after the newest backup is lost. Resolves to the lost orders. */
export const loseMachine = async (stage: Stage): Promise<Accepted[]> => {
  const { narrator, vcl2, vcl3, customers } = stage;
  narrator.scene("VCL2's machine is lost");
  const dryRun = await vcl3.agent.post<DryRun>('/promote', { dryRun: true });
  narrator.say('before: POST /promote {"dryRun": true} on VCL3');
  narrator.quote(vcl3, dryRun.body.loss);
  const lostAt = Date.now();
  await vcl2.losePower();
  narrator.say('SIGKILL to the agent, the app and the database of VCL2, all at once');
  const seen = vcl3.operation('promote', lostAt);
  const { id, reason } = await narrator.during("VCL3's monitor looks", seen);
  narrator.quote(vcl3, reason);
  const promote = await narrator.follow(vcl3, id);
  narrator.claim('VCL3 took over', promote.state === 'done', promote.error);
  narrator.claim(
    'with what it had restored before anybody needed it',
    detailOf(promote, 'restore').endsWith('is restored already'),
    promote.steps,
  );
  narrator.say(`after: GET /operations/${id} on VCL3`);
  narrator.quote(vcl3, promote.result?.loss);

  await untilServing(stage, vcl3);
  await narrator.during('customers order', customers.place(8));
  const lost = await settleAccounts(stage, "VCL2's machine was lost", lostAt);
  const takenAt = String(promote.result?.backupTakenAt);
  const foretold = detailOf(promote, 'assess-loss');
  narrator.claim(
    'VCL3 said before it took over and afterwards what is lost: all that came after the backup',
    foretold.includes(`after ${takenAt} is lost`) &&
      String(promote.result?.loss).includes(`after ${takenAt} is lost`),
    [foretold, promote.result],
  );
  narrator.claim(
    `${lost.length} orders lost, every one of them confirmed after that moment`,
    lost.length > 0 && lost.every(({ at }) => at >= Date.parse(takenAt)),
    lost,
  );
  return lost;
};

/** VCL2 comes back as a standby, sets its own database aside, and gets the role and all data back. */
export const bringBack = async (stage: Stage, lost: readonly Accepted[]): Promise<void> => {
  const { narrator, vcl2, vcl3, customers } = stage;
  narrator.scene('VCL2 comes back');
  const backAt = Date.now();
  await narrator.during("VCL2's agent starts", vcl2.start());
  const standDown = await vcl2.operation('stand-down', backAt);
  narrator.quote(vcl2, standDown.reason);
  const stoodDown = await narrator.follow(vcl2, standDown.id);
  const keptAside = detailOf(stoodDown, 'set-aside');
  narrator.claim(
    'VCL2 stood down before it served anything',
    stoodDown.state === 'done',
    stoodDown.error,
  );
  const rows = Number(/\+(\d+) rows in public\.orders/.exec(keptAside)?.[1]);
  narrator.claim(
    `its database is kept under a dated name, with the ${lost.length} lost orders in it`,
    // One more when the power failed between an order and its confirmation.
    keptAside.includes('_diverged_') && (rows === lost.length || rows === lost.length + 1),
    keptAside,
  );

  const seen = vcl3.operation('handover', backAt);
  const failback = await narrator.during('VCL3 waits until VCL2 has been well for a while', seen);
  narrator.quote(vcl3, failback.reason);
  await followHandover(stage, vcl3, vcl2, failback.id);
  narrator.claim('nobody had to ask: automatic failback', failback.source === 'failback');

  await untilServing(stage, vcl2);
  await narrator.during('customers order', customers.place(8));
  const missing = await settleAccounts(stage, 'VCL2 came back (automatic failback)', backAt);
  narrator.claim(
    'every other order is on VCL2, those of the outage included, checked one by one through VCL1',
    missing.length === 0,
    missing,
  );
};

const detailOf = ({ steps }: OperationRecord, step: string): string =>
  steps.find(({ name }) => name === step)?.detail ?? '';
