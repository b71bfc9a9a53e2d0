import { html } from 'hono/html';
import { formatBytes, formatDuration } from '../../domain/format.js';
import type { PageFacts } from './facts.js';
import type { Html } from './words.js';

/** Size of the drawings in SVG units. Coordinates are whole numbers, so that lines do not move at every rendering. */
const WIDTH = 400;
const HEIGHT = 60;

/**
 * The size of each backup when it was taken, and below, how old the newest one was at each moment, with
 * BACKUP_MAX_AGE as a dashed line when it is near. Labels are outside the drawings, which are stretched.
 */
export const plot = ({ backups, now, maxAgeSeconds }: PageFacts): Html => {
  const points = backups
    .map(({ takenAt, ...point }) => ({ ...point, at: Math.min(takenAt, now) }))
    .sort((a, b) => a.at - b.at);
  const first = points[0]?.at ?? now;
  const largest = Math.max(...points.map(({ bytes }) => bytes), 1);
  const limit = maxAgeSeconds * 1_000;
  const reigns = points.map(({ at }, index) => ({ from: at, to: points[index + 1]?.at ?? now }));
  const oldest = Math.max(...reigns.map(({ from, to }) => to - from), 1);
  const top = Math.max(oldest, limit < 2 * oldest ? limit : 0);
  const x = (at: number) => Math.round((WIDTH * (at - first)) / Math.max(now - first, 1));
  const y = (value: number, most: number) => Math.round(HEIGHT * (1 - value / most));
  const ages = reigns.map(
    ({ from, to }) => `M${x(from)} ${HEIGHT}L${x(to)} ${y(to - from, top)}V${HEIGHT}`,
  );
  const drawing = (label: string, inside: unknown) => html`
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
      ${inside}<path d="M0 ${HEIGHT}H${WIDTH}"/>
    </svg>`;
  return html`
  <figure>
    <p>Size, up to ${formatBytes(largest)}</p>
    ${drawing(
      `Sizes of ${points.length} backups, up to ${formatBytes(largest)}`,
      points.map(
        ({ at, bytes, isKept }) =>
          html`<path class="${isKept ? 'bar' : 'bar gone'}" d="M${x(at)} ${HEIGHT}V${y(bytes, largest)}"/>`,
      ),
    )}
    <p>Age of the newest one, up to ${coarse(oldest)}</p>
    ${drawing(`The newest backup was never older than ${coarse(oldest)}`, [
      html`<path class="line" d="${ages.join('')}"/>`,
      limit <= top && html`<path class="limit" d="M0 ${y(limit, top)}H${WIDTH}"/>`,
    ])}
    <p class="axis quiet"><span>${coarse(now - first)} ago</span><span>now</span></p>
    <figcaption>Thick bars are kept; thin ones have made room since.${limit <= top && ` Dashed: BACKUP_MAX_AGE, ${formatDuration(limit)}.`}</figcaption>
  </figure>`;
};

/** In steps of ten seconds, so that the text does not change at every rendering. */
const coarse = (ms: number): string => formatDuration(Math.ceil(ms / 10_000) * 10_000);
