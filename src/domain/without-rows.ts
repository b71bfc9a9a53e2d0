/** Lines of PostgreSQL's errors that quote rows or statements. Its programs may put their name before. */
const QUOTING = /^(?:[\w./<>-]+:(?:[^\s:]*:\d+:)? )?(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+): /;

/** Lines in which a program speaks again. A quoted row may have line breaks of its own. */
const SPEAKING =
  /^(?:(?:pg_dump|pg_restore|psql)\b|(?:ERROR|FATAL|PANIC|WARNING|NOTICE|HINT|LOCATION|Command was)\b)/;

/** What PostgreSQL says of a row, in the log of an app as well, where it stands behind any label. */
const QUOTED_ROW = /Key \([^)]*\)=\(|Failing row contains/;

/** First lines that end with a value out of a row. */
const QUOTED_VALUE =
  /(invalid input (?:syntax for type|value for enum) [^:\n]+|malformed \w+ literal|out of range|invalid value for parameter "[^"\n]*"): ".*"|(value) ".*" (?=is out of range)/g;

/**
 * An error's text without what it quotes from the database: DETAIL and CONTEXT lines and values. Rows are nobody's
 * business who reads a log, a message or a status. The first line, the HINT and the names of objects stay.
 */
export const withoutRows = (text: string): string => {
  let isQuoting = false;
  const lines = text.split('\n').filter((line) => {
    if (QUOTING.test(line)) isQuoting = true;
    else if (SPEAKING.test(line)) isQuoting = false;
    return !isQuoting && !QUOTED_ROW.test(line);
  });
  return lines
    .join('\n')
    .replace(QUOTED_VALUE, (_, before?: string, value?: string) =>
      before === undefined ? `${value} (withheld) ` : `${before}: (withheld)`,
    );
};
