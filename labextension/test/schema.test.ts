import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const HERE = join(__dirname, '..', '..');

test('schema.ts is what the OpenAPI document gives', () => {
  const { scripts } = JSON.parse(
    readFileSync(join(HERE, 'package.json'), 'utf8')
  ) as { scripts: Record<string, string> };
  const [, ...options] = scripts.codegen.split(/ -o | /);
  const fresh = execFileSync(
    process.execPath,
    [
      join(HERE, 'node_modules', 'openapi-typescript', 'bin', 'cli.js'),
      ...options.slice(0, options.indexOf('src/api/schema.ts'))
    ],
    { cwd: HERE, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
  );
  const kept = readFileSync(join(HERE, 'src', 'api', 'schema.ts'), 'utf8');
  assert.ok(fresh.trim() === kept.trim(), 'run `npm run codegen`');
});
