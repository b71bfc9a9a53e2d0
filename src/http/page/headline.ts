import { CONDITIONS, pageRemedy } from '../../domain/conditions/conditions.js';
import type { PageFacts } from './facts.js';
import type { ServerFacts } from './server-facts.js';
import { capital, sayAge, sayLost, sayProof, type Tone } from './words.js';

interface Headline {
  tone: Tone;
  /** Who serves, in one sentence. Read out when it changes. */
  title: string;
  /** How it stands, and what happens next. */
  text: string;
}

const NOBODY = 'Nobody serves.';

/** What is going on, as one person would tell another at night. */
export const headline = (facts: PageFacts): Headline => {
  const { self, contact } = facts;
  // What it said long ago says nothing about who serves now.
  const peer = contact.state === 'answers' ? facts.peer : undefined;
  if (self.serving && peer?.serving) return bothServe(self, peer);
  const changing = [self, peer].flatMap((server) => (server && changeOf(server)) ?? []);
  if (changing[0] !== undefined)
    return { tone: 'warn', title: changing[0], text: meanwhile(facts, peer) };
  if (self.serving) return peer === undefined ? servesAlone(facts) : serves(facts, self, peer);
  if (peer?.serving) return serves(facts, peer, self);
  return nobodyServes(facts, peer);
};

const bothServe = (self: ServerFacts, peer: ServerFacts): Headline => {
  const [lower, higher] = self.epoch < peer.epoch ? [self, peer] : [peer, self];
  return {
    tone: 'bad',
    title: 'Both servers serve.',
    text: `Only one may. ${lower.node} (epoch ${lower.epoch}) stops by itself as soon as it hears of ${higher.node} (epoch ${higher.epoch}). If it does not within a minute, stop its app by hand.`,
  };
};

/** The change of role that is under way on this server. */
const changeOf = ({ node, operation }: ServerFacts): string | undefined => {
  const step = operation?.steps.at(-1)?.name ?? 'start';
  switch (operation?.kind) {
    case 'promote':
      return `${node} is taking over: step ${step}.`;
    case 'handover':
      return `${node} is handing over: step ${step}.`;
    case 'fence':
      return `${node} is stopping, because the other server takes over.`;
    default:
      return undefined;
  }
};

const meanwhile = (facts: PageFacts, peer: ServerFacts | undefined): string => {
  const serving = [facts.self, peer].find((server) => server?.serving);
  if (serving !== undefined) return `${serving.node} serves meanwhile.`;
  const state = peer === undefined ? sayContact(facts) : 'Nobody serves until that is done.';
  return `${state} It ends by itself, and says here how.`;
};

/** The other one does not answer. */
const servesAlone = (facts: PageFacts): Headline => ({
  tone: facts.contact.state === 'silent' ? 'bad' : 'warn',
  title: `${facts.self.node} serves.`,
  text: `${sayLastLoss(facts)} ${sayContact(facts)} Nobody could take over. ${sayBackup(facts.self)}`.trim(),
});

/** One serves and the other answers. */
const serves = (facts: PageFacts, server: ServerFacts, other: ServerFacts): Headline => {
  const { now } = facts;
  const problems = [...server.problems, ...other.problems];
  const paused = [server, other].flatMap(({ pause }) => pause?.until ?? []);
  const isWell = problems.length === 0 && other.mode === 'standby' && paused.length === 0;
  return {
    tone: isWell && other.latestBackup !== null ? 'good' : 'warn',
    title: `${server.node} serves.`,
    text: [sayLastLoss(facts), sayOther(other), sayFailback(server, now), sayPause(paused[0], now)]
      .filter((text) => text !== '')
      .join(' '),
  };
};

/** Milliseconds for which the headline says what the last takeover lost. */
const LOSS_IS_NEWS = 86_400_000;

/** What the takeover lost by which this server serves. It is the first thing that its owner has to know. */
const sayLastLoss = ({ self, history, now }: PageFacts): string => {
  const last = history.find(({ kind, state }) => kind === 'promote' && state === 'done');
  const lost = last?.result?.lostSeconds;
  const isNews = last !== undefined && now - Date.parse(last.startedAt) < LOSS_IS_NEWS;
  return self.serving && isNews && typeof lost === 'number' && lost > 0 ? sayLost(lost) : '';
};

const sayOther = (other: ServerFacts): string => {
  if (other.mode !== 'standby') return `${other.node} has still to find out that it is superseded.`;
  if (other.problems.includes('standing-down'))
    return `${other.node} is standing down and sets its database aside.`;
  return `${other.node} stands by; ${sayNewest(other)}.`;
};

const nobodyServes = (facts: PageFacts, peer: ServerFacts | undefined): Headline => {
  const { self, now } = facts;
  if (self.mode === 'yielding') return yields(self, otherOf(facts));
  if (peer?.mode === 'yielding') return yields(peer, self.node);
  if (self.mode === 'standby' && peer === undefined) return nobodyKnows(facts);
  const primary = self.mode === 'primary' ? self : peer;
  const standby = self.mode === 'primary' ? peer : self;
  if (primary?.mode !== 'primary') {
    const text = `Both servers stand by. ${sayBackup(self)} Next: promote the one that served last.`;
    return { tone: 'bad', title: NOBODY, text };
  }
  const next =
    standby === undefined
      ? `${sayContact(facts)} Next: ${primary.node} starts its app again by itself after a while.`
      : sayNext(standby, now);
  return {
    tone: 'bad',
    title: NOBODY,
    text: `The app of ${primary.node} does not answer. ${next}`,
  };
};

/** A standby that cannot see the other server. */
const nobodyKnows = (facts: PageFacts): Headline => ({
  tone: 'bad',
  title:
    facts.contact.state === 'silent'
      ? `${begin(otherOf(facts))} does not answer.`
      : `${begin(otherOf(facts))} has not been asked yet.`,
  text: `${sayContact(facts)} Whether it serves cannot be seen from here. ${sayBackup(facts.self)} ${sayNext(facts.self, facts.now)}`,
});

const yields = ({ node, yielding }: ServerFacts, other: string): Headline => ({
  tone: 'bad',
  title: NOBODY,
  text: `${node} ${sayYielding(yielding, other)}. Next: ${pageRemedy(CONDITIONS.yielding)}.`,
});

const sayYielding = (yielding: ServerFacts['yielding'], other: string): string =>
  yielding?.isInDoubt
    ? `has lost its state, or an old one was put in its place. It waits to hear from ${other} which role it has`
    : `has stopped for ${yielding?.cause === 'fence' ? 'a takeover' : 'a handover'}, and waits to hear from ${other} whether it has taken over`;

/** What a standby does about a primary that does not serve. */
const sayNext = (server: ServerFacts, now: number): string => {
  const { node, policy, pause, latestBackup, problems } = server;
  if (latestBackup === null)
    return `Next: start the other server again; ${node} has no backup to take over from.`;
  if (pause !== null) return `${sayPause(pause.until, now)} Next: resume, or promote ${node}.`;
  if (problems.includes('primary-lost') && policy?.monitor === 'on')
    return `Next: ${node} has not taken over by itself; its last promote says why. If the users are not served, promote it.`;
  return policy?.monitor === 'off'
    ? `Next: nothing by itself (MONITOR=off); promote ${node}.`
    : `Next: ${node} takes over by itself within its checks; promote it to do so now.`;
};

const sayContact = (facts: PageFacts): string => {
  const other = begin(otherOf(facts));
  const { contact, now } = facts;
  if (contact.state === 'not-asked') return `${other} has not been asked yet.`;
  return contact.state === 'silent' && contact.since !== undefined
    ? `${other} last answered ${sayAge((now - contact.since) / 1_000)} ago.`
    : `${other} has not answered since this agent started.`;
};

const sayBackup = (server: ServerFacts): string =>
  server.latestBackup === null
    ? `${server.node} has no backup.`
    : `${capital(sayNewest(server))} (on ${server.node}).`;

const sayNewest = ({ latestBackup, mode }: ServerFacts): string =>
  latestBackup === null
    ? 'it has no backup yet'
    : `newest backup ${sayAge(latestBackup.ageSeconds)} old${sayProof(latestBackup.proof, mode)}`;

const sayPause = (until: string | undefined, now: number): string => {
  const left = until === undefined ? 0 : Date.parse(until) - now;
  return left > 0
    ? `Paused for another ${sayAge(left / 1_000)}: nothing fails over or back by itself.`
    : '';
};

const sayFailback = ({ failback }: ServerFacts, now: number): string => {
  const left = failback?.at == null ? 0 : Date.parse(failback.at) - now;
  return left > 0 ? `It gives the role back in ${sayAge(left / 1_000)}.` : '';
};

const UNNAMED = 'the other server';

const otherOf = ({ peer }: PageFacts): string => peer?.node ?? UNNAMED;

/** At the beginning of a sentence. A name is written as it is. */
const begin = (name: string): string => (name === UNNAMED ? 'The other server' : name);
