import { PassThrough, Writable } from 'node:stream';
import type { Executor } from '../../src/drivers/run-command.js';

/** A psql that answers each statement with what `answer` makes of it: rows, or an error's text. */
export const fakePsql = (
  answer: (sql: string) => readonly object[] | string,
  /** Databases that the server does not have. */
  missing: readonly string[] = [],
) => {
  /** The argv of each that was opened. */
  const opened: (readonly string[])[] = [];
  const executor: Executor = {
    run: () => Promise.reject(new Error('nothing is run for this')),
    open: (argv) => {
      opened.push(argv);
      const gone = missing.find((name) => argv.at(-1)?.includes(`dbname='${name}'`));
      const stdout = new PassThrough();
      let end: (how: string) => void = () => {};
      const ended = new Promise<string>((resolve) => {
        end = resolve;
      });
      if (gone) end(`psql: error: connection failed: FATAL:  database "${gone}" does not exist`);
      const stdin = new Writable({
        write: (chunk, _encoding, done) => {
          if (gone) return done();
          const [, mark = ''] = /\\echo (\S+) :ERROR/.exec(String(chunk)) ?? [];
          const said = answer(String(chunk));
          stdout.write(
            typeof said === 'string'
              ? `${mark} true 53200\n${said}\n${mark}\n`
              : `${JSON.stringify(said)}\n${mark} false 00000\n\n${mark}\n`,
          );
          done();
        },
        final: (done) => {
          end('psql exited with 0');
          done();
        },
      });
      return { stdin, stdout, ended, kill: () => end('psql was ended') };
    },
  };
  return { opened, executor };
};
