import { z } from 'zod';
import { createReader, namesOf, type Provider } from './provider.js';

const bodySchema = z.looseObject({
  alert: z.enum(['TRIGGERED', 'RESOLVED']),
  endpoint: z.string(),
  group: z.string().optional(),
  url: z.string().optional(),
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
