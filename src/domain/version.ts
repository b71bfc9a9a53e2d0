/** Of the agent and of what it answers; package.json says the same. */
export const VERSION = '0.1.0';
