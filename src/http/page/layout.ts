import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import { actsOn } from '../../domain/spoken.js';
import { dialogs } from './dialogs.js';
import type { PageFacts } from './facts.js';
import { headline } from './headline.js';
import { renderSections } from './sections.js';
import { STYLE } from './style.js';
import { moment } from './words.js';

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%23345'/%3E%3Cpath d='M3 5h10M3 11h6' stroke='white' stroke-width='2'/%3E%3C/svg%3E";

/** The page loads nothing but its own style and what the agent serves, and cannot be framed. */
export const PAGE_HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cache-Control': 'no-store',
};

/** The whole page. It can be read without its scripts, which update it and make the buttons work. */
export const renderPage = async (facts: PageFacts): Promise<string> => {
  const sections = await renderSections(facts);
  const { node } = facts.self;
  return String(
    await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${headline(facts).title} ${node}</title>
<link rel="icon" href="${ICON}">
<style>${raw(STYLE)}</style>
<script type="module" src="/page/main.js"></script>
</head>
<body data-node="${node}" data-acts="${JSON.stringify(actsOn('page'))}">
<a class="skip" href="#main">Skip to the state</a>
<header>
  <h1>coldspare on ${node}</h1>
  <p id="connection" role="status">As of ${moment(facts.now, facts.now)}</p>
  <p class="needs-script"><button type="button" id="key">Enter the admin key…</button></p>
</header>
<main id="main" tabindex="-1">
  <noscript><p class="note">Without JavaScript this page does not renew itself, and its buttons are not there. Typed on this server,
    <code>coldspare promote</code> does the same, and so do <code>demote</code>, <code>backup</code>, <code>drill</code> and <code>pause</code>; anywhere else
    <code>curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" THIS-ADDRESS/promote</code>.</p></noscript>
  ${sections.map(({ id, html: inside }) => html`<section id="${id}">${raw(inside)}</section>`)}
</main>
<footer><p>Times are UTC, by the clock of ${node}.</p></footer>
<p id="say" class="unseen" role="status"></p>
${dialogs(node)}
</body>
</html>
`,
  );
};
