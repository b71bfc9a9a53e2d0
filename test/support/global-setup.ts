import { spawnSync } from 'node:child_process';

/**
 * Builds dist/, so that tests can start real agents. A type error is printed and does not stop the tests:
 * the compiler writes its output all the same, and `npm run check` is what refuses it.
 */
export default (): void => {
  const { error, status, stdout } = spawnSync(
    'node_modules/.bin/tsc',
    ['-p', 'tsconfig.json', '--pretty', 'false'],
    { encoding: 'utf8' },
  );
  if (error) throw new Error('the compiler cannot be started; run npm ci first', { cause: error });
  if (status !== 0) console.warn(`dist/ was built in spite of these errors:\n${stdout}`);
};
