/**
 * Text from outside (a caller's reason, a program's error, another node's answer) as it may be shown on a terminal, in a
 * log or in a message: what would move the cursor, change colours or turn the reading direction is shown as its number.
 * Line breaks and tabs stay.
 */
export const printable = (text: string): string =>
  text
    .replaceAll('\r\n', '\n')
    .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (sign) =>
      sign === '\n' || sign === '\t' ? sign : escapeSign(sign),
    );

/** As `printable`, in one line: for lists, where a line break would begin an entry of its own. */
export const oneLine = (text: string): string => printable(text).replace(/\s*\n\s*/g, ' ');

/** Every text in `value`, which is plain data, made printable. */
export const printableData = <T>(value: T): T => {
  if (typeof value === 'string') return printable(value) as T;
  if (Array.isArray(value)) return value.map(printableData) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, part]) => [
    printable(name),
    printableData(part),
  ]);
  return Object.fromEntries(entries) as T;
};

const escapeSign = (sign: string): string => {
  const code = sign.charCodeAt(0);
  return code < 256
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
};
