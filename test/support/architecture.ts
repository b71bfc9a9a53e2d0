import { posix } from 'node:path';

export interface SourceFile {
  /** From the root of the project: src/domain/errors.ts. */
  path: string;
  text: string;
}

/** From the top down. A file may import from the layers below its own, and from its own. */
const LAYERS = [
  ['main', 'cli'],
  ['service'],
  ['create-node'],
  ['http', 'schedule', 'config'],
  ['operations'],
  ['state'],
  ['ports'],
  ['pure'],
];
const LONGEST_FILE = 400;

interface Edge {
  /** The file, and what it imports: a path below src/, or a package. */
  from: string;
  to: string;
}

interface Rule {
  reason: string;
  forbids(edge: Edge): boolean;
}

/** The HTTP client that the command line shares with the drivers. It needs domain files and Node alone. */
const HTTP_CLIENT = 'src/drivers/http-client.ts';

const isPackage = (name: string): boolean => !name.startsWith('src/');

/** src/http/routes/status.ts is of http, src/main.ts of main. */
const layerOf = (path: string): string => path.split('/')[1]?.replace(/\.ts$/, '') ?? '';

const heightOf = (path: string): number =>
  LAYERS.findIndex((layer) => layer.includes(layerOf(path)));

const RULES: Rule[] = [
  {
    reason:
      'imports point one way: main → service → http | schedule → operations → state → ports → pure',
    forbids: ({ from, to }) =>
      !isPackage(to) &&
      layerOf(from) !== 'drivers' &&
      layerOf(to) !== 'drivers' &&
      layerOf(from) !== layerOf(to) &&
      heightOf(from) >= heightOf(to),
  },
  {
    reason: 'a driver knows ports, pure files and other drivers only',
    forbids: ({ from, to }) =>
      layerOf(from) === 'drivers' &&
      !isPackage(to) &&
      !['drivers', 'ports', 'pure'].includes(layerOf(to)),
  },
  {
    reason: 'only src/main.ts builds drivers',
    forbids: ({ from, to }) =>
      !isPackage(to) &&
      layerOf(to) === 'drivers' &&
      !['main', 'drivers'].includes(layerOf(from)) &&
      !(layerOf(from) === 'cli' && to === HTTP_CLIENT),
  },
  {
    reason:
      'only src/drivers/command.ts runs programs, always with a time-out and never through a shell',
    forbids: ({ from, to }) =>
      from !== 'src/drivers/command.ts' && /^(execa|(node:)?child_process)$/.test(to),
  },
  {
    reason: 'the command line knows an agent over HTTP, and pure files',
    forbids: ({ from, to }) =>
      layerOf(from) === 'cli' &&
      !isPackage(to) &&
      !['cli', 'pure'].includes(layerOf(to)) &&
      to !== HTTP_CLIENT,
  },
  {
    reason: 'a pure file needs nothing but zod',
    forbids: ({ from, to }) => layerOf(from) === 'pure' && isPackage(to) && to !== 'zod',
  },
  {
    reason: 'only src/http speaks HTTP to callers',
    forbids: ({ from, to }) => layerOf(from) !== 'http' && /^(hono|@hono\/.+?)(\/|$)/.test(to),
  },
];

/** A code that is given, in a table or an answer. Comparing one that was received is something else. */
const GIVEN_STATUS =
  /\bstatus(Code)?\s*[:=]\s*[1-5]\d\d\b|\.(json|text|html|body|status|redirect|writeHead)\([^;]*?[(,]\s*[1-5]\d\d\s*[,)]|\.(status|writeHead)\(\s*[1-5]\d\d\b/;

/** One line a violation: `file → import: the rule's reason`. */
export const findViolations = (files: readonly SourceFile[]): string[] =>
  files.flatMap((file) => [...violationsOfImports(file), ...violationsOfText(file)]);

const violationsOfImports = (file: SourceFile): string[] =>
  importsOf(file).flatMap((to) =>
    RULES.filter((rule) => rule.forbids({ from: file.path, to })).map(
      ({ reason }) => `${file.path} → ${to}: ${reason}`,
    ),
  );

const violationsOfText = ({ path, text }: SourceFile): string[] => {
  const violations: string[] = [];
  const layer = layerOf(path);
  if (layer !== 'drivers' && heightOf(path) === -1) {
    violations.push(`${path}: belongs to no layer`);
  }
  const lines = text.trimEnd().split('\n').length;
  if (lines > LONGEST_FILE) {
    violations.push(
      `${path}: has ${lines} lines, and ${LONGEST_FILE} is the most that one purpose needs`,
    );
  }
  if (/coffee/i.test(text)) {
    violations.push(`${path}: mentions coffee, and the application is configuration`);
  }
  // Drivers speak the protocols of others.
  const status = ['http', 'drivers'].includes(layer) ? null : GIVEN_STATUS.exec(text);
  if (status) violations.push(`${path}: "${status[0]}": only src/http knows status codes`);
  return violations;
};

const IMPORT =
  /^(?:import|export)\s+(?:[\w$*{},\s]+\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

const importsOf = ({ path, text }: SourceFile): string[] =>
  [...text.matchAll(IMPORT)].map(([, fixed, dynamic]) => {
    const name = fixed ?? dynamic ?? '';
    return name.startsWith('.')
      ? posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')
      : name;
  });
