import { readFileSync, writeFileSync } from 'node:fs';
import { fillVariableTables, renderEnvExample } from './lib/variable-documents.js';

// `npm run document`: writes .env.example and the manual's tables of variables from src/config/groups.
const manual = 'wrangler-free-readme.md';
writeFileSync('.env.example', renderEnvExample());
writeFileSync(manual, fillVariableTables(readFileSync(manual, 'utf8')));
