import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

/**
 * A change of the built code, found by its syntax tree: formatting, comments, types and the file do not matter. A rename
 * of the function or of what is named in it does; a test that takes a second says so.
 */
export interface Edit {
  /** The function or method that is changed. Its name, or with what encloses it: a class, or else its file (`retention.expired`). */
  in: string;
  /** The type of the piece that is taken out of it, as ESTree names it. */
  take: string;
  /** Identifiers, properties and strings that all occur in the piece: the innermost piece that has them is taken. */
  with: string[];
  /** JavaScript in its place. Given a function: what it makes of the piece's own text. */
  put: string | ((text: string) => string);
  /** Top-level names of other files that `put` uses. */
  needs?: string[];
}

interface SyntaxNode {
  type: string;
  start: number;
  end: number;
}

interface Named {
  /** The file, names of what encloses it, and its own. */
  path: string[];
  node: SyntaxNode;
}

interface SourceFile {
  path: string;
  text: string;
  named: Named[];
}

/** All of src/ as it is built in dist/. */
export const readCode = async (): Promise<SourceFile[]> => {
  // By the sources: dist/ also has what was built of files that have moved.
  const names = await readdir('src', { recursive: true });
  const paths = names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('dist/src', name.replace(/\.ts$/, '.js')));
  return Promise.all(
    paths.map(async (path) => {
      const text = await readFile(path, 'utf8');
      return {
        path,
        text,
        named: findNamed(parseAst(text) as SyntaxNode, [basename(path, '.js')]),
      };
    }),
  );
};

/** For `put`: the element or statement in which `moved` occurs comes before the one in which `before` does. */
export const movedBefore =
  (moved: string, before: string) =>
  (text: string): string => {
    const [statement] = (parseAst(text.startsWith('[') ? `(${text})` : text) as Body).body;
    const shift = text.startsWith('[') ? 1 : 0;
    const list = (statement as Statement).expression?.elements ?? (statement as Body).body;
    const find = (word: string) => list.find((node) => wordsOf(node).includes(word));
    const [mover, target] = [find(moved), find(before)];
    if (mover === undefined || target === undefined || mover.start < target.start)
      throw new Error(`${moved} does not follow ${before} in ${text}`);
    const at = (offset: number) => offset - shift;
    const separator = shift === 1 ? ', ' : ' ';
    const own = text.slice(at(mover.start), at(mover.end));
    const between = text.slice(at(target.start), at(mover.start)).replace(/,\s*$/, '');
    return text.slice(0, at(target.start)) + own + separator + between + text.slice(at(mover.end));
  };

type Body = SyntaxNode & { body: SyntaxNode[] };
type Statement = SyntaxNode & { expression?: { elements: SyntaxNode[] } };

/** The files that change, by path. @throws Error when an edit fits nowhere, or in more than one place */
export const applyEdits = (code: SourceFile[], edits: readonly Edit[]): Map<string, string> => {
  const changes = edits.map((edit) => ({ edit, ...locate(code, edit) }));
  const changed = new Map<string, string>();
  // From the end to the beginning, so that no change moves the next one.
  for (const { edit, file, piece } of changes.sort((a, b) => b.piece.start - a.piece.start)) {
    const text = changed.get(file.path) ?? file.text;
    const own = text.slice(piece.start, piece.end);
    const put = typeof edit.put === 'string' ? edit.put : edit.put(own);
    const imports = (edit.needs ?? []).map((name) => importOf(code, name, file));
    changed.set(
      file.path,
      text.slice(0, piece.start) + put + text.slice(piece.end) + imports.join(''),
    );
  }
  return changed;
};

const locate = (code: SourceFile[], edit: Edit): { file: SourceFile; piece: SyntaxNode } => {
  const wanted = edit.in.split('.');
  const found = code.flatMap((file) =>
    file.named
      .filter(({ path }) => path.slice(-wanted.length).join('.') === edit.in)
      .map(({ path, node }) => ({ file, node, isOutermost: path.length <= wanted.length + 1 })),
  );
  const outermost = found.filter(({ isOutermost }) => isOutermost);
  const places = outermost.length > 0 ? outermost : found;
  const [place] = places;
  if (place === undefined || places.length > 1)
    throw new Error(`${places.length} times "${edit.in}" in the code, where one is to be changed`);
  const pieces = innermost(place.node, edit);
  const [piece] = pieces;
  if (piece === undefined || pieces.length > 1)
    throw new Error(
      `${edit.in} of ${place.file.path} has ${pieces.length} of ${edit.take} with ${edit.with.join(', ')}, where one is to be changed`,
    );
  return { file: place.file, piece };
};

const importOf = (code: SourceFile[], name: string, into: SourceFile): string => {
  const from = code.find(({ named }) =>
    named.some(({ path }) => path.length === 2 && path[1] === name),
  );
  if (from === undefined) throw new Error(`nothing in the code is called ${name}`);
  return `\nimport { ${name} } from './${relative(dirname(into.path), from.path)}';`;
};

const innermost = (node: SyntaxNode, edit: Edit): SyntaxNode[] => {
  const deeper = childrenOf(node).flatMap((child) => innermost(child, edit));
  if (deeper.length > 0 || node.type !== edit.take) return deeper;
  const words = new Set(wordsOf(node));
  return edit.with.every((word) => words.has(word)) ? [node] : [];
};

const childrenOf = (node: SyntaxNode): SyntaxNode[] =>
  Object.values(node)
    .flat()
    .filter((value): value is SyntaxNode => typeof value?.type === 'string');

/** What is named in it: identifiers and properties, and strings. */
const wordsOf = (node: SyntaxNode): string[] => {
  const { name, value } = node as SyntaxNode & { name?: unknown; value?: unknown };
  const own = [name, value].filter((word) => typeof word === 'string');
  return [...own, ...childrenOf(node).flatMap(wordsOf)];
};

type Part = SyntaxNode & { id?: Part | null; key?: Part; name?: string; value?: unknown };

const findNamed = (node: SyntaxNode, outer: string[]): Named[] => {
  const { id, key } = node as Part;
  const label = id ?? key;
  const name = label?.name ?? (typeof label?.value === 'string' ? label.value : undefined);
  const path = name === undefined ? outer : [...outer, name];
  const inner = childrenOf(node).flatMap((child) => findNamed(child, path));
  return name === undefined ? inner : [{ path, node }, ...inner];
};
