import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COSTLY } from '../support/costly-files.js';
import { filesLeftOut, NEIGHBORS } from '../support/draw-files.js';

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed);

test('a test file that was renamed is not drawn under its old name', () => {
  expect(COSTLY.filter((file) => !existsSync(file))).toEqual([]);
  expect(new Set(COSTLY).size).toBe(COSTLY.length);
});

test('every run has one of each few files that cost about the same', () => {
  const places = [...COSTLY.keys()];
  const groups = new Set(places.map((place) => Math.floor(place / NEIGHBORS)));
  for (const seed of SEEDS) {
    const left = filesLeftOut(seed);
    expect(filesLeftOut(seed)).toEqual(left);
    const kept = places.filter((place) => !left.includes(COSTLY[place] ?? ''));
    expect(new Set(kept.map((place) => Math.floor(place / NEIGHBORS)))).toEqual(groups);
    expect(kept.length).toBeLessThan(groups.size + NEIGHBORS);
  }
});

test('over some commits every file is run', () => {
  const everywhere = COSTLY.filter((file) =>
    SEEDS.every((seed) => filesLeftOut(seed).includes(file)),
  );
  expect(everywhere).toEqual([]);
});
