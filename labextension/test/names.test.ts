import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

test('no two source files are one and the same where capitals do not count', () => {
  const files = readdirSync(join(__dirname, '..', '..', 'src'), {
    recursive: true,
    encoding: 'utf8'
  });
  assert.ok(files.length > 50, `${files.length} files were found`);
  // Without the ending, too: an import names neither .ts nor .tsx.
  const seen = new Map<string, string>();
  for (const file of files) {
    if (!/\.tsx?$/.test(file)) continue;
    const module = file.replace(/(\.d)?\.tsx?$/, '').toLowerCase();
    assert.equal(seen.get(module), undefined, `${file} and another`);
    seen.set(module, file);
  }
});
