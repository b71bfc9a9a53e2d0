import type { Layout } from './inventory.js';

interface Parts {
  layout: Pick<Layout, 'current'>;
  /** Node on that machine. */
  node: string;
}

/** `coldspare` in the PATH: the command line of the version in use, with the keys of its agent, which root may read. */
export const commandFile = ({ layout: { current }, node }: Parts): string => `#!/bin/sh
: "\${COLDSPARE_ENV:=${current}/coldspare.env}"
export COLDSPARE_ENV
exec ${node} ${current}/release/dist/src/cli/main.js "$@"
`;
