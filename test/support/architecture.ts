import { posix } from 'node:path';

export interface SourceFile {
  /** From the root of the project: src/domain/errors.ts. */
  path: string;
  text: string;
}

/** From the top down. A file may import from the floors below its own, and from its own room. */
const FLOORS = [
  ['main', 'cli'],
  ['agent'],
  ['http', 'background'],
  ['status'],
  ['operations'],
  ['replication'],
  ['serve'],
  ['backups', 'peer'],
  ['leadership'],
  ['engine'],
  ['state'],
  ['config', 'ports'],
  ['domain'],
];
const LONGEST_FILE = 300;

/** Interfaces that a driver implements stand beside the code that needs them. */
const PORTS_ELSEWHERE = ['src/peer/peer.ts', 'src/peer/peer-machine.ts'];

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

/** The room of src/http/routes/status.ts is http, that of src/main.ts is main. */
const roomOf = (path: string): string => path.split('/')[1]?.replace(/\.ts$/, '') ?? '';

const floorOf = (path: string): number => FLOORS.findIndex((floor) => floor.includes(roomOf(path)));

const RULES: Rule[] = [
  {
    reason:
      'imports point one way: main → agent → http | background → status → operations → replication → serve → backups | peer → leadership → engine → state → ports → domain',
    forbids: ({ from, to }) =>
      !isPackage(to) &&
      roomOf(from) !== 'drivers' &&
      roomOf(to) !== 'drivers' &&
      roomOf(from) !== roomOf(to) &&
      floorOf(from) >= floorOf(to),
  },
  {
    reason: 'a driver knows ports, the domain and other drivers only',
    forbids: ({ from, to }) =>
      roomOf(from) === 'drivers' &&
      !isPackage(to) &&
      !['drivers', 'ports', 'domain'].includes(roomOf(to)) &&
      !PORTS_ELSEWHERE.includes(to),
  },
  {
    reason: 'only src/main.ts builds drivers',
    forbids: ({ from, to }) =>
      !isPackage(to) &&
      roomOf(to) === 'drivers' &&
      !['main', 'drivers'].includes(roomOf(from)) &&
      !(roomOf(from) === 'cli' && to === HTTP_CLIENT),
  },
  {
    reason:
      'only src/drivers/run-command.ts runs programs, always with a time-out and never through a shell',
    forbids: ({ from, to }) =>
      from !== 'src/drivers/run-command.ts' && /^(execa|(node:)?child_process)$/.test(to),
  },
  {
    reason: 'the command line knows an agent over HTTP, and the domain',
    forbids: ({ from, to }) =>
      roomOf(from) === 'cli' &&
      !isPackage(to) &&
      !['cli', 'domain'].includes(roomOf(to)) &&
      to !== HTTP_CLIENT,
  },
  {
    reason: 'the domain needs nothing but zod',
    forbids: ({ from, to }) => roomOf(from) === 'domain' && isPackage(to) && to !== 'zod',
  },
  {
    reason: 'only src/http speaks HTTP to callers',
    forbids: ({ from, to }) => roomOf(from) !== 'http' && /^(hono|@hono\/.+?)(\/|$)/.test(to),
  },
];

/** A code that is given, in a table or an answer. Comparing one that was received is something else. */
const GIVEN_STATUS =
  /\bstatus(Code)?\s*[:=]\s*[1-5]\d\d\b|\.(json|text|html|body|status|redirect|writeHead)\([^;]*?[(,]\s*[1-5]\d\d\s*[,)]|\.(status|writeHead)\(\s*[1-5]\d\d\b/;

/** One line a violation: `file → import: the rule's reason`. */
export const findViolations = (files: readonly SourceFile[]): string[] => [
  ...files.flatMap((file) => [...violationsOfImports(file), ...violationsOfText(file)]),
  ...findCircles(files),
];

/** One line a circle of imports, types included: `circle: a → b → a`. */
const findCircles = (files: readonly SourceFile[]): string[] => {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) circles.push(`circle: ${[...trail.slice(start), path].join(' → ')}`);
    if (start >= 0 || done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return circles;
};

const violationsOfImports = (file: SourceFile): string[] =>
  importsOf(file).flatMap((to) =>
    RULES.filter((rule) => rule.forbids({ from: file.path, to })).map(
      ({ reason }) => `${file.path} → ${to}: ${reason}`,
    ),
  );

const violationsOfText = ({ path, text }: SourceFile): string[] => {
  const violations: string[] = [];
  const room = roomOf(path);
  if (room !== 'drivers' && floorOf(path) === -1) {
    violations.push(`${path}: belongs to no room`);
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
  const status = ['http', 'drivers'].includes(room) ? null : GIVEN_STATUS.exec(text);
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
