// SPDX-License-Identifier: Apache-2.0
// A long list that is kept fresh at its head only: ten thousand jobs are not fetched anew every two seconds.
import type { Job, JobPage } from '../api/schema';

export interface Feed {
  rows: Job[];
  /** There are jobs between the head and the pages that neither has: the pages have to be fetched again. */
  isTorn: boolean;
}

/**
 * The newest jobs as they are now, and the older ones as they were when their page came.  Both go from new to old;
 * what stands in the pages before the head's last job is older news than the head.
 */
export function joined(head: JobPage | undefined, pages: JobPage[]): Feed {
  const older = pages.flatMap((page) => page.jobs);
  if (!head) return { rows: older, isTorn: false };
  const last = head.jobs.at(-1);
  if (!last || head.next === undefined) return { rows: head.jobs, isTorn: false };
  const at = older.findIndex((job) => job.job_id === last.job_id);
  if (at < 0) return { rows: older.length > 0 ? older : head.jobs, isTorn: older.length > 0 };
  return { rows: [...head.jobs, ...older.slice(at + 1)], isTorn: false };
}
