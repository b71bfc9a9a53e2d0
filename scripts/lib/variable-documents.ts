import { defaultOf, type Group, isRequired, type Variable } from '../../src/config/variable.js';
import { GROUPS } from '../../src/config/variables.js';

const WIDTH = 100;

const HEADER = `
# Every variable of the agent.
# With ./scripts/deploy, write what you need into inventory.yml, and the secrets into inventory.secrets.
# Without it, copy this file to .env beside the agent, and fill it in.
# A line without # must have a value. A line with # shows the default.
# If a variable has no default, the line shows an example, and the comment says so.
# Lengths of time: 500ms, 5s, 30m, 2h, 1d.
# This file is made from src/config/groups by npm run document: change the texts there.
`;

/** The text of `.env.example`. */
export const renderEnvExample = (): string =>
  [HEADER.trim(), ...GROUPS.map(renderGroup)].join('\n\n').concat('\n');

const renderGroup = ({ title, about = '', variables }: Group): string =>
  [
    `# --- ${title} `.padEnd(WIDTH, '-'),
    ...(about === '' ? [] : [comment(about), '']),
    ...Object.entries(variables).map(([name, variable]) => renderVariable(name, variable)),
  ].join('\n');

const renderVariable = (name: string, variable: Variable): string => {
  const { about, unset, example, live } = variable;
  const normal = defaultOf(variable);
  const isLive = live || isRequired(variable);
  const without = unset === undefined ? 'Not set by default.' : `When not set: ${unset}.`;
  return [
    comment(about),
    ...(isLive || normal !== undefined ? [] : [comment(without)]),
    `${isLive ? '' : '#'}${name}=${example ?? normal ?? ''}`,
  ].join('\n');
};

/** As comment lines; line breaks are kept. */
const comment = (text: string): string => text.replace(/^\s*/gm, '# ');

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The document with new tables of variables, each below its comment `<!-- variables: GROUP TITLE -->`. */
export const fillVariableTables = (document: string): string =>
  document.replace(
    /(<!-- variables: (.+?) -->\n)(?:\|.*\n)*/g,
    (_, marker: string, title: string) => {
      const group = GROUPS.find((each) => each.title === title);
      if (group === undefined) throw new Error(`there is no group of variables "${title}"`);
      return marker + renderTable(group);
    },
  );

const renderTable = ({ variables }: Group): string =>
  [
    '| variable | default | |',
    '|---|---|---|',
    ...Object.entries(variables).map(
      ([name, variable]) => `| \`${name}\` | ${defaultCell(variable)} | ${prose(variable.about)} |`,
    ),
  ]
    .join('\n')
    .concat('\n');

const defaultCell = (variable: Variable): string => {
  const normal = defaultOf(variable);
  if (normal !== undefined) return `\`${normal}\``;
  return isRequired(variable) ? 'required' : prose(variable.unset ?? '–');
};

const prose = (text: string): string =>
  oneLine(text).replace(/\b[A-Z]+(_[A-Z]+)+\b/g, (name) => `\`${name}\``);
