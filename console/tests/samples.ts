// SPDX-License-Identifier: Apache-2.0
// Images for the tests: real ones of the shared folder where it is, else made with Debian's python3-pydicom.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const shared = resolve(process.env.COR_SHARED_DIR ?? '../../shared');

/** Slices as bytes, made by the builders of the integration tests. */
function made(count: number, study: string): Buffer[] {
  const script = `
import base64, sys
sys.path.insert(0, ${JSON.stringify(resolve('../tests/integration'))})
import slices
for number in range(${count}):
    print(base64.b64encode(slices.ct(f"i{number}", study=${JSON.stringify(study)}, number=number + 1)).decode())
`;
  const lines = execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8', maxBuffer: 1 << 30 });
  return lines
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64'));
}

/** A CT series in which an algorithm finds something in every slice. */
export const phantom = (count = 3, study = 'phantom'): Buffer[] => made(count, study);

/** A real CT: the contrast-enhanced liver of the shared folder, else the phantom. */
export function realCt(count = 3): Buffer[] {
  const folder = join(shared, 'data', 'ct_liver_contrast');
  if (!existsSync(folder)) return phantom(count, 'stand-in');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .slice(0, count)
    .map((name) => readFileSync(join(folder, name)));
}
