const NAME = 'coldspare-admin-key';

/** The admin key, for as long as the tab is open; null before it was given. */
export const getKey = () => sessionStorage.getItem(NAME);

/** @param {string} key */
export const keepKey = (key) => sessionStorage.setItem(NAME, key);

export const forgetKey = () => sessionStorage.removeItem(NAME);

/**
 * A request to this server with the key, which goes into a header and nowhere else.
 * @param {string} path
 * @param {RequestInit & { headers?: Record<string, string> }} [options]
 * @param {string | null} [key]
 */
export const ask = (path, options = {}, key = getKey()) =>
  fetch(path, {
    ...options,
    cache: 'no-store',
    headers: { ...options.headers, ...(key === null ? {} : { Authorization: `Bearer ${key}` }) },
  });

/**
 * What to do, in the words of this page: the server writes remedies for HTTP.
 * @param {string} text
 * @returns {string}
 */
export const spoken = (text) => {
  /** @type {[call: string, act: string][]} */
  const acts = JSON.parse(document.body.dataset.acts ?? '[]');
  return acts.reduce((said, [call, act]) => said.replace(new RegExp(call, 'g'), act), text);
};

/**
 * What went wrong and what to do, of an answer that says no.
 * @param {Response} answer
 */
export const sayProblem = async (answer) => {
  try {
    const { detail, remedy } = await answer.json();
    return `${detail}. What to do: ${spoken(remedy)}.`;
  } catch {
    return `The server answered ${answer.status}.`;
  }
};
