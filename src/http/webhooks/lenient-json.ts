import { parseJson } from '../../domain/parse-json.js';

/** JSON in JSON in JSON is still a message. */
const DEEPEST = 3;

/**
 * What a checker means by its JSON, whose template was often filled in without care: JSON in a string, line breaks and
 * quotes in a text, a comma too many. Undefined when it is no JSON even so.
 */
export const readLenientJson = (text: string, depth = 1): unknown => {
  const value = parseJson(text) ?? parseJson(repair(text));
  const isWrapped = typeof value === 'string' && depth < DEEPEST;
  return isWrapped ? (readLenientJson(value, depth + 1) ?? value) : value;
};

const LINE_BREAKS: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Escapes what belongs to a text, and leaves out a comma at the end of a list. */
const repair = (text: string): string => {
  let repaired = '';
  const open: string[] = [];
  let inText = false;
  let isName = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    if (inText) {
      if (char === '\\') {
        at += 1;
        repaired += char + (text[at] ?? '');
      } else if (char !== '"') repaired += LINE_BREAKS[char] ?? char;
      else {
        // A quote ends the text if what follows is what may follow a text.
        inText = !(isName ? [':'] : [',', '}', ']', undefined]).includes(nextSign(text, at));
        repaired += inText ? '\\"' : '"';
      }
      continue;
    }
    if (char === '"') inText = true;
    if (char === '{' || char === '[') open.push(char);
    if (char === '}' || char === ']') open.pop();
    if (char === ':') isName = false;
    if (char === '{' || char === ',') isName = open.at(-1) === '{';
    const isLast = char === ',' && ['}', ']'].includes(nextSign(text, at) ?? '');
    if (!isLast) repaired += char;
  }
  return repaired;
};

/** The next character that is no blank; undefined at the end. */
const nextSign = (text: string, at: number): string | undefined => {
  let next = at + 1;
  while (/\s/.test(text[next] ?? '')) next += 1;
  return text[next];
};
