import { openLoadBalancer } from '../../scripts/demo-story/load-balancer.js';
import type { Machine, Pair } from './pair.js';

/** VCL1 in front of both machines. It prefers VCL2 when both say that they serve. */
export const startLoadBalancer = ({ vcl2, vcl3 }: Pick<Pair, 'vcl2' | 'vcl3'>) =>
  openLoadBalancer([vcl2, vcl3].map(addressOf));

const addressOf = ({ agent, appUrl }: Machine) => ({
  name: agent.name,
  agentUrl: agent.url,
  appUrl: new URL(appUrl).origin,
});
