/** A promise `over` that stays pending until `letGo` is called. */
export const held = () => {
  let letGo = () => {};
  const over = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  return { over, letGo };
};
