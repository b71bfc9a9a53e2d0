/** Structured lines: data first, then a sentence. Secrets are never passed in. */
export interface Log {
  info(data: object, message: string): void;
  warn(data: object, message: string): void;
  error(data: object, message: string): void;
}
