import { z } from 'zod';

export type Json = Record<string, unknown>;

const POINTER = '#/components/schemas/';

/** Every schema that has an id. */
export const namedSchemas = (): Json => {
  const { schemas } = z.toJSONSchema(z.globalRegistry, {
    uri: (id) => `${POINTER}${id}`,
    override: (made) => {
      simplify(made);
      // A later version may add properties.
      if (made.jsonSchema.additionalProperties === false) {
        delete made.jsonSchema.additionalProperties;
      }
    },
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _schema, $id: _id, ...schema }]) => [id, schema]),
  );
};

/** A reference to a schema that has an id. */
export const reference = (schema: z.ZodType): Json => ({
  $ref: `${POINTER}${z.globalRegistry.get(schema)?.id}`,
});

/** The schema of a parameter or a body, as a caller may send it. */
export const inline = (schema: z.ZodType): Json => {
  if (z.globalRegistry.get(schema)?.id !== undefined) return reference(schema);
  const { $schema: _schema, ...plain } = z.toJSONSchema(schema, {
    io: 'input',
    override: simplify,
  });
  return plain;
};

/** Leaves out what tells a reader nothing: the pattern behind a format, and the range of safe integers. */
const simplify = ({ jsonSchema }: { jsonSchema: Json }): void => {
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
};
