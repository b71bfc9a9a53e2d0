/**
 * The peer's agent. `busy`: in the middle of what decides who serves. `idle`: it says that its app does not
 * answer. `fails-alike`: the same after a takeover that did not help. `blind`: the same, of a health check that has never
 * said yes on either server. `unreachable`: refuses, silent or hangs; none of them tells whether its app serves.
 */
export type AgentView = 'serving' | 'busy' | 'idle' | 'fails-alike' | 'blind' | 'unreachable';

/**
 * The peer's app as it answers us. `down`: an error, refused, silent or hanging. `unproven`: the same, of a
 * PRIMARY_CHECK_URL that has never agreed with the peer's agent, on a machine that is there. `unwatched`: without
 * PRIMARY_CHECK_URL, or it is unproven and the machine is silent.
 */
export type AppView = 'healthy' | 'down' | 'unproven' | 'unwatched';

/**
 * The service as the outside sees it. `serves`: 2xx. `fails`: 5xx. `mute`: refuses, silent or hangs. `unfit`: any other
 * answer, or a WITNESS_URL that has never seen the service. `unset` without WITNESS_URL.
 */
export type WitnessView = 'serves' | 'fails' | 'mute' | 'unfit' | 'unset';

/** Who says that the primary is gone: our own checks, a checker outside, or a person. */
export type Asker = 'monitor' | 'webhook' | 'operator';

export interface Situation {
  agent: AgentView;
  app: AppView;
  witness: WitnessView;
  asker: Asker;
}

interface Decision {
  /** Values that it goes by; what is not named may be anything. */
  when: { readonly [K in keyof Situation]?: readonly Situation[K][] };
  refuse?: 'primary-healthy' | 'primary-busy' | 'isolated' | 'outage-unproven' | 'common-cause';
  reason: string;
}

/** Whether to take over, for every situation there is: the first row that fits decides. `force` skips the table. */
export const DECISIONS: readonly Decision[] = [
  {
    when: { app: ['healthy'] },
    refuse: 'primary-healthy',
    reason: 'its app answers us',
  },
  {
    when: { agent: ['serving'] },
    refuse: 'primary-healthy',
    reason: 'its agent reaches its app, so only our way to the app is cut',
  },
  {
    when: { agent: ['busy'] },
    refuse: 'primary-busy',
    reason: 'its agent is in the middle of what decides who serves',
  },
  {
    when: { agent: ['fails-alike'] },
    refuse: 'common-cause',
    reason:
      'its app fails as it did on this server before: no server is lost, so a takeover does not help',
  },
  {
    when: { agent: ['blind'] },
    refuse: 'outage-unproven',
    reason: 'its APP_HEALTH_URL has never said yes, so its no says nothing about the app',
  },
  {
    when: { agent: ['idle'] },
    reason: 'its agent says that its app does not answer, and can stop it for good',
  },
  {
    when: { witness: ['serves'] },
    refuse: 'primary-healthy',
    reason: 'the outside is served (WITNESS_URL), so only the link between the servers is cut',
  },
  {
    when: { witness: ['fails'] },
    reason: 'the outside sees the outage as well',
  },
  {
    when: { witness: ['mute'], asker: ['monitor'] },
    refuse: 'isolated',
    reason:
      'neither the primary nor the witness answers, and nobody outside reports an outage: this node is the isolated one',
  },
  {
    when: { witness: ['mute'] },
    reason: 'the witness does not answer, but somebody outside reached us to report the outage',
  },
  {
    when: { app: ['unproven'], asker: ['monitor'] },
    refuse: 'outage-unproven',
    reason:
      'only its agent is known to be gone: PRIMARY_CHECK_URL has never agreed with that agent, so its app may serve',
  },
  {
    when: { witness: ['unfit', 'unset'] },
    reason:
      'nothing of the primary answers us; without a WITNESS_URL our own view decides, and with one that is unfit too',
  },
];

/** The row that decides. That there always is one is tested cell by cell. */
export const decide = (situation: Situation): Decision => {
  const fits = ({ when }: Decision): boolean =>
    (Object.keys(when) as (keyof Situation)[]).every((view) =>
      (when[view] as readonly string[]).includes(situation[view]),
    );
  const decision = DECISIONS.find(fits);
  if (decision === undefined) throw new Error(`no decision for ${JSON.stringify(situation)}`);
  return decision;
};

/** Whether there is a sign that the primary serves. One is enough. */
export const isAlive = ({ agent, app }: Pick<Situation, 'agent' | 'app'>): boolean =>
  app === 'healthy' || agent === 'serving';
