import { readFileSync, writeFileSync } from 'node:fs';
import { fillVariableTables, renderEnvExample } from './lib/variable-documents.js';

// `npm run document`: makes anew what is made from src/config/groups.
const manual = 'wrangler-free-readme.md';
writeFileSync('.env.example', renderEnvExample());
writeFileSync(manual, fillVariableTables(readFileSync(manual, 'utf8')));
