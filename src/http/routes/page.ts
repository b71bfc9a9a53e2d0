import { z } from 'zod';
import { Refused } from '../../domain/errors.js';
import type { Node } from '../../operations/node.js';
import { SCRIPTS } from '../page/assets.js';
import { type PageFacts, pageFacts } from '../page/facts.js';
import { PAGE_HEADERS, renderPage } from '../page/layout.js';
import { createLive } from '../page/live.js';
import { redact } from '../page/redact.js';
import type { Route } from '../route.js';

/** The whole page, or every change of it as events when the request accepts those. */
const pageOf = (facts: (node: Node) => PageFacts): Route['handle'] => {
  const watch = createLive(facts);
  return async (c, node) => {
    if (c.req.header('Accept') === 'text/event-stream') return watch(c, node);
    return c.html(await renderPage(facts(node)), 200, PAGE_HEADERS);
  };
};

/** The status page. Its buttons call the same routes as everybody else, with the admin key. */
export const pageRoutes: Route[] = [
  {
    method: 'GET',
    path: '/',
    clients: [],
    about: {
      summary:
        'The status page; its changes as events named "section", when asked for text/event-stream',
      answers: { 200: 'text/html' },
    },
    handle: pageOf((node) => redact(pageFacts(node))),
  },
  {
    method: 'GET',
    path: '/details',
    clients: ['admin'],
    about: {
      summary: 'The same with reasons, errors and ids',
      answers: { 200: 'text/html' },
    },
    handle: pageOf(pageFacts),
  },
  {
    method: 'GET',
    path: '/page/:file',
    clients: [],
    about: {
      summary: 'The scripts of the status page',
      params: { file: z.enum(SCRIPTS.map(({ name }) => name)) },
      answers: { 200: 'text/javascript' },
      problems: ['not-found'],
    },
    handle: (c) => {
      const file = c.req.param('file');
      const script = SCRIPTS.find(({ name }) => name === file);
      if (script === undefined) throw unknownScript();
      return c.body(script.text, 200, SCRIPT_HEADERS);
    },
  },
];

const SCRIPT_HEADERS = {
  'Content-Type': 'text/javascript; charset=utf-8',
  'Cache-Control': 'no-cache',
};

const unknownScript = (): Refused =>
  new Refused('not-found', 'the page has no such script', 'GET / names those it has');
