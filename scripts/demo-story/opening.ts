import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually } from '../lib/agent-process.js';
import type { Machine } from './machine.js';
import { type Stage, untilServing } from './stage.js';

/** VCL2 serves, VCL3 is cold, and customers order through VCL1. */
export const openShop = async (stage: Stage): Promise<void> => {
  const { narrator, vcl1, vcl2, vcl3, customers, onlooker } = stage;
  narrator.scene('VCL2 serves the coffee shop, VCL3 is a cold standby');
  const began = Date.now();
  await narrator.during('the agents start', Promise.all([vcl2.start(), vcl3.start()]));
  narrator.say(`VCL1 ${vcl1.url} follows GET /primary of the agents`);
  narrator.say(`VCL2 ${vcl2.agent.url}, VCL3 ${vcl3.agent.url}`);
  const boot = await vcl2.operation('boot', began);
  await narrator.follow(vcl2, boot.id);
  await vcl3.installLike(vcl2);
  await untilServing(stage, vcl2);

  customers.start();
  await narrator.during('customers order', customers.place(8));
  onlooker.start();
  const { lost, kept } = await customers.audit();
  narrator.claim(
    `customers order through VCL1: ${kept} orders confirmed and there`,
    lost.length === 0,
  );
  narrator.claim('on VCL3 neither app nor database runs', await vcl3.isCold());
};

/** What BACKUP_CRON does every half hour. */
export const pushBackup = async ({ narrator, vcl2, vcl3, customers }: Stage): Promise<void> => {
  narrator.scene('A backup is pushed to VCL3, and customers go on ordering');
  const backup = vcl2.agent.post<OperationRecord>('/backups', {}, { prefer: 'wait=60' });
  const { body } = await narrator.during('VCL2 POST /backups', backup);
  await narrator.follow(vcl2, body.id);
  const { latestBackup } = await vcl3.agent.status();
  narrator.claim(`VCL3 keeps ${latestBackup?.id}`, latestBackup?.id === body.result?.backup);
  const { took, error } = await narrator.during('VCL3 tries it out', untilProven(vcl3));
  narrator.claim(
    `and has restored it beside everything and counted its rows, in ${(took / 1_000).toFixed(1)} s`,
    error === null,
    error,
  );
  await narrator.during('customers order', customers.place(8));
};

const untilProven = (machine: Machine) =>
  eventually(
    `${machine.name} has proven its newest backup`,
    async () => (await machine.agent.status()).latestBackup?.proof ?? undefined,
    60_000,
  );
