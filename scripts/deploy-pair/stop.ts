/** Why a deploy cannot go on: what was found, and what to type next. */
export class Stop extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.remedy = remedy;
  }
}
