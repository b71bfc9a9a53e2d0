import type { Layout } from './inventory.js';

interface Parts {
  layout: Pick<Layout, 'current'>;
  /** Node on that machine. */
  node: string;
}

/** The text of the program `coldspare`: the command line of the version in use, with the agent's keys, for root alone. */
export const commandFile = ({ layout: { current }, node }: Parts): string => `#!/bin/sh
: "\${COLDSPARE_ENV:=${current}/coldspare.env}"
export COLDSPARE_ENV
exec ${node} ${current}/release/dist/src/cli/main.js "$@"
`;
