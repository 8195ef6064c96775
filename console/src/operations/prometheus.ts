// SPDX-License-Identifier: Apache-2.0
// As much of the Prometheus text format as the charts need.

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** The samples of a page of metrics; lines that are none are passed over. */
export function samples(page: string): Sample[] {
  return page.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:{([^}]*)})?\s+(\S+)/.exec(line);
    const value = Number(match?.[3]);
    if (!match || line.startsWith('#') || Number.isNaN(value)) return [];
    const labels = Object.fromEntries(
      [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((pair) => [
        pair[1] as string,
        pair[2] as string,
      ]),
    );
    return [{ name: match[1] as string, labels, value }];
  });
}

export interface Latency {
  algo: string;
  stage: string;
  count: number;
  sumMs: number;
}

/** corsia_job_seconds by algorithm and stage. */
export function latencies(page: string): Latency[] {
  const all = samples(page);
  const of = (suffix: string) =>
    new Map(
      all
        .filter((sample) => sample.name === `corsia_job_seconds_${suffix}`)
        .map((sample) => [`${sample.labels.algo}\n${sample.labels.stage}`, sample.value]),
    );
  const sums = of('sum');
  return [...of('count')].flatMap(([key, count]) => {
    const [algo = '', stage = ''] = key.split('\n');
    return count > 0 ? [{ algo, stage, count, sumMs: 1000 * (sums.get(key) ?? 0) }] : [];
  });
}

/** The mean of a stage over all algorithms since an earlier answer; null if no job ended in between. */
export function meanSince(now: Latency[], before: Latency[], stage: string): number | null {
  const total = (of: Latency[], what: 'count' | 'sumMs') =>
    of.filter((entry) => entry.stage === stage).reduce((sum, entry) => sum + entry[what], 0);
  const count = total(now, 'count') - total(before, 'count');
  if (count <= 0) return null; // a server that was started anew counts from the beginning
  return Math.max(0, total(now, 'sumMs') - total(before, 'sumMs')) / count;
}
