/** Something that lasts until it is let go. */
export const held = () => {
  let letGo = () => {};
  const over = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  return { over, letGo };
};
