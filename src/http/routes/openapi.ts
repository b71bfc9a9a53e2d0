import { describeRoutes } from '../openapi.js';
import type { Route } from '../route.js';

/** `routes` is a function because this route is one of them. */
export const openapiRoutes = (routes: () => readonly Route[]): Route[] => {
  let document: ReturnType<typeof describeRoutes> | undefined;
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      clients: [],
      about: {
        summary: 'The description of all routes (OpenAPI 3.1)',
        answers: { 200: 'application/json' },
      },
      handle: (c) => {
        document ??= describeRoutes(routes());
        return c.json(document);
      },
    },
  ];
};
