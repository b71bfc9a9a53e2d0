/** `16/B374D848`, as PostgreSQL writes a place in its log, in bytes from the log's beginning. */
export const parsePlace = (text: string): bigint => {
  const [high = '', low = ''] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
};

export const formatPlace = (bytes: bigint): string =>
  `${(bytes >> 32n).toString(16)}/${(bytes & 0xffff_ffffn).toString(16)}`.toUpperCase();

/** Sizes of the log's parts, in bytes. */
export interface LogLayout {
  page: number;
  segment: number;
}

const PAGE_HEADER = 24;
const SEGMENT_HEADER = 40;
const ALIGNMENT = 8n;

/** Where the record after one of `length` bytes at `start` begins: pages have headers, and records are aligned. */
export const endOfRecord = (start: bigint, length: number, layout: LogLayout): bigint => {
  const page = BigInt(layout.page);
  let at = start;
  let left = BigInt(length);
  while (left > 0n) {
    if (at % page === 0n)
      at += BigInt(at % BigInt(layout.segment) === 0n ? SEGMENT_HEADER : PAGE_HEADER);
    const fits = page - (at % page);
    const taken = left < fits ? left : fits;
    at += taken;
    left -= taken;
  }
  return ((at + ALIGNMENT - 1n) / ALIGNMENT) * ALIGNMENT;
};
