/** pg_dump writes this last. psql restores a file that lacks it, and calls that a success (H05). */
const LAST_LINE = '\n-- PostgreSQL database dump complete';

/** Characters that stay unread until more have come, so that nothing we look for is cut in two. */
const LOOKAHEAD = 1024;

/** Characters kept of a statement's beginning and of its end: enough to know what kind it is. */
const KEPT = 500;

/** For each place in a dump, what ends it or matters in it. Everything else there is only text. */
const ENDS = {
  statement:
    /;|'|"|--|\/\*|\\[^\n]*|(?<!\w)[eE]'|(?<!\w)\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/g,
  literal: /'/g,
  escaped: /\\[\s\S]|''|'/g,
  identifier: /"/g,
  line: /\n/g,
  comment: /\/\*|\*\//g,
  rows: /\n\\\.(?=\r?\n)/g,
} as const;

const OPENS: Record<string, keyof typeof ENDS> = {
  "'": 'literal',
  "e'": 'escaped',
  '"': 'identifier',
  '--': 'line',
  '/*': 'comment',
};

/** What psql obeys without leaving the database. pg_dump writes them around every dump since August 2025. */
const HARMLESS = /^\\(un)?restrict [A-Za-z0-9]+\s*$/;

/** They name a database, so they would act on the live one, beside which the dump is restored. */
const ON_DATABASE = /^\s*(create|drop|alter|comment\s+on)\s+database\b/i;

/**
 * Reads a plain dump as psql would, as far as is needed to find what would leave the database it is restored
 * into: psql's own commands, and statements about databases. Memory does not grow with the dump.
 */
export class PlainDumpReader {
  /** Why the dump cannot be used, as soon as that is known. */
  fault: string | undefined;
  #place: keyof typeof ENDS | { dollar: string } = 'statement';
  #depth = 0;
  #buffer = '';
  #tail = '';
  /** The statement's words, without its literals and comments. */
  #head = '';
  #end = '';

  /**
   * Takes the next piece as latin1, one character a byte, so that it may be cut anywhere. Returns the text that was
   * checked by this call: as long as there is no fault, it may be given to psql.
   */
  read(piece: string): string {
    this.#tail = (this.#tail + piece).slice(-KEPT);
    this.#buffer += piece;
    return this.#scan(this.#buffer.length - LOOKAHEAD);
  }

  /** As `read`, for the rest. */
  end(): string {
    const rest = this.#scan(this.#buffer.length);
    if (!this.#tail.includes(LAST_LINE) || !['statement', 'line'].includes(this.#place as string))
      this.fault ??= `it is torn: its last line, "${LAST_LINE.trim()}", is missing`;
    return rest;
  }

  #scan(limit: number): string {
    let at = 0;
    while (this.fault === undefined) {
      const found = this.#find(at);
      if (found === undefined || found.index >= limit) break;
      this.#pass(at, found.index);
      at = found.index + found.token.length;
      this.#meet(found.token);
    }
    const read = Math.max(at, limit);
    this.#pass(at, read);
    const checked = this.#buffer.slice(0, read);
    this.#buffer = this.#buffer.slice(read);
    return checked;
  }

  #find(at: number): { index: number; token: string } | undefined {
    if (typeof this.#place === 'object') {
      const index = this.#buffer.indexOf(this.#place.dollar, at);
      return index < 0 ? undefined : { index, token: this.#place.dollar };
    }
    const end = ENDS[this.#place];
    end.lastIndex = at;
    const match = end.exec(this.#buffer);
    return match === null ? undefined : { index: match.index, token: match[0] };
  }

  #pass(from: number, to: number): void {
    if (this.#place !== 'statement') return;
    const text = this.#buffer.slice(from, to);
    this.#head = (this.#head + text).slice(0, KEPT);
    this.#end = (this.#end + text).slice(-KEPT);
  }

  #meet(token: string): void {
    if (this.#place === 'statement') this.#meetInStatement(token);
    else if (this.#place === 'comment') this.#meetInComment(token);
    else if (this.#place !== 'escaped' || token === "'") this.#place = 'statement';
  }

  #meetInStatement(token: string): void {
    if (token === ';') this.#endStatement();
    else if (token.startsWith('\\')) this.#refuseCommand(token);
    else if (token.startsWith('$')) this.#place = { dollar: token };
    else this.#place = OPENS[token.toLowerCase()] ?? 'statement';
    if (token === '/*') this.#depth = 1;
  }

  #meetInComment(token: string): void {
    this.#depth += token === '/*' ? 1 : -1;
    if (this.#depth === 0) this.#place = 'statement';
  }

  #endStatement(): void {
    const words = this.#head.trim().replace(/\s+/g, ' ').slice(0, 60);
    if (ON_DATABASE.test(this.#head)) {
      this.fault = `"${words}" acts on databases by name (pg_dump --create, or pg_dumpall)`;
    } else if (/^\s*copy\b/i.test(this.#head)) {
      if (/\bfrom\s+stdin\b/i.test(this.#end)) this.#place = 'rows';
      else this.fault = `"${words}" reads or writes outside the dump`;
    }
    this.#head = '';
    this.#end = '';
  }

  #refuseCommand(token: string): void {
    if (HARMLESS.test(token)) return;
    this.fault = `"${token.slice(0, 60).trim()}" is a command to psql that may leave the database`;
  }
}
