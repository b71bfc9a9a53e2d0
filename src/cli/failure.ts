import { printable } from '../domain/printable.js';
import { spoken } from '../domain/spoken.js';

/** The exit statuses. The README has the same list. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  unauthorized: 5,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Why a command failed, and what to type next. */
export class Failure extends Error {
  readonly exit: ExitStatus;
  readonly code: string;
  readonly remedy: string;

  constructor(exit: ExitStatus, code: string, message: string, remedy: string) {
    super(printable(message));
    this.name = 'Failure';
    this.exit = exit;
    this.code = code;
    this.remedy = spoken(printable(remedy), 'terminal');
  }
}
