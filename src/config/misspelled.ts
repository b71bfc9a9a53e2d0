import { environmentSchema } from './variables.js';

const names = Object.keys(environmentSchema.shape);

/** The variable that is meant by a name which is none: the one that is at most one typing mistake away. */
export const meantVariable = (name: string): string | undefined =>
  names.includes(name) ? undefined : names.find((known) => isOneMistakeAway(known, name));

/** A character too many, too few or wrong, two in the wrong order, or another case. */
const isOneMistakeAway = (right: string, typed: string): boolean => {
  let [one, other] = [[...right], [...typed.toUpperCase()]];
  while (one.length > 0 && one[0] === other[0]) [one, other] = [one.slice(1), other.slice(1)];
  while (one.length > 0 && one.at(-1) === other.at(-1))
    [one, other] = [one.slice(0, -1), other.slice(0, -1)];
  const isSwap = one.length === 2 && one.toReversed().join() === other.join();
  return isSwap || (one.length <= 1 && other.length <= 1);
};
