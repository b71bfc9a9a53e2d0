/** Runs what it is given one after the other, in the order it was asked. */
export type TakeTurns = <T>(work: () => Promise<T>) => Promise<T>;

export const createTurns = (): TakeTurns => {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work, work);
    last = turn;
    return turn;
  };
};
