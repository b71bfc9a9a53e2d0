/** Names nobody can guess or repeat. */
export interface Ids {
  /** 128 random bits as text that is safe in paths and URLs. */
  random(): string;
}
