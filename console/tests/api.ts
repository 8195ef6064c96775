// SPDX-License-Identifier: Apache-2.0
// The server as a test sees it beside the browser: jobs are submitted, hosts are held, states are waited for.
import type { Page } from '@playwright/test';
import type { Job, System } from '../src/api/schema';
import { expect } from './fixtures';
import type { Server } from './server';

export async function getJson<T>(server: Server, path: string): Promise<T> {
  const response = await fetch(`${server.url}${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

export interface Stored {
  study: string;
  series: string;
  image: string;
}

/** The first image that the server has. */
export async function stored(server: Server): Promise<Stored> {
  const [found] = await getJson<Record<string, { Value: string[] }>[]>(server, '/dicom-web/instances?limit=1');
  const value = (tag: string) => found?.[tag]?.Value[0] ?? '';
  return { study: value('0020000D'), series: value('0020000E'), image: value('00080018') };
}

interface Order {
  client: string;
  job: string;
  algorithm?: string;
  scope?: 'image' | 'series';
  params?: Record<string, unknown>;
  outputs?: string[];
}

/** Submit a job on what `stored` found. */
export async function submit(server: Server, at: Stored, order: Order): Promise<void> {
  const { client, job, algorithm = 'processing_1', scope = 'image', ...rest } = order;
  const response = await fetch(`${server.url}/process/${algorithm}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      client_id: client,
      job_id: job,
      pacs: { study_id: at.study, series_id: at.series, ...(scope === 'image' ? { image_id: at.image } : {}), scope },
      ...rest,
    }),
  });
  if (response.status !== 202) throw new Error(`submit: ${response.status} ${await response.text()}`);
}

export const jobOf = (server: Server, id: string): Promise<Job> => getJson<Job>(server, `/jobs/${id}`);

export const reached = (server: Server, id: string, state: Job['state']): Promise<void> =>
  expect.poll(async () => (await jobOf(server, id)).state).toBe(state);

const hosts = async (server: Server) => (await getJson<System>(server, '/system')).hosts.jobs;

/**
 * The process ids of the job hosts, once all are idle.  Stopped, they hold what they are given then; a server for
 * such a test has --job-hosts-max=1, so that no other host takes the work.
 */
export async function idleHosts(server: Server): Promise<number[]> {
  await expect.poll(async () => ((pool) => pool.alive > 0 && pool.idle === pool.alive)(await hosts(server))).toBe(true);
  return (await hosts(server)).pids;
}

export function signal(pids: number[], name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  for (const pid of pids) process.kill(pid, name);
}

/** A job is running a little before it has its host. */
export const busyHosts = (server: Server, count: number): Promise<void> =>
  expect.poll(async () => (await hosts(server)).busy).toBe(count);

/** The client id of the page's browser, once it has one. */
export async function clientId(page: Page): Promise<string> {
  await expect.poll(() => page.evaluate(() => localStorage.getItem('corsia.client-id'))).toBeTruthy();
  return (await page.evaluate(() => localStorage.getItem('corsia.client-id'))) as string;
}
