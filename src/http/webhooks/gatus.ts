import { z } from 'zod';
import { anyText, createReader, namesOf, type Provider, text } from './provider.js';

const bodySchema = z.looseObject({
  alert: z
    .string()
    .toUpperCase()
    .pipe(z.enum(['TRIGGERED', 'RESOLVED'])),
  endpoint: text,
  group: anyText,
  url: anyText,
});

/** Gatus, alert of type "custom" with the body of the manual: Gatus itself has none. */
export const gatus: Provider = {
  name: 'gatus',
  expects:
    '{"alert": "[ALERT_TRIGGERED_OR_RESOLVED]", "endpoint": "[ENDPOINT_NAME]", "group": "[ENDPOINT_GROUP]", "url": "[ENDPOINT_URL]"}, with its placeholders',
  read: createReader(bodySchema, ({ alert, endpoint, group, url }) => {
    const inGroup = group ? `${group}/${endpoint}` : undefined;
    return {
      event: alert === 'TRIGGERED' ? 'down' : 'up',
      names: namesOf(inGroup, endpoint, url),
      because: `Gatus: ${inGroup ?? endpoint} ${alert.toLowerCase()}`,
    };
  }),
};
