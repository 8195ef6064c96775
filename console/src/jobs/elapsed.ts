// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import type { Job } from '../api/schema';

/** Milliseconds as people say them: "840 ms", "4.2 s", "3 min 5 s". */
export function duration(ms: number, language: string): string {
  const format = (value: number, unit: string, digits = 0) =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit,
      unitDisplay: 'short',
      maximumFractionDigits: digits,
    }).format(value);
  if (ms < 1000) return format(Math.round(ms), 'millisecond');
  if (ms < 60_000) return format(ms / 1000, 'second', 1);
  const minutes = Math.floor(ms / 60_000);
  return `${format(minutes, 'minute')} ${format(Math.floor((ms % 60_000) / 1000), 'second')}`;
}

/**
 * How long a job has taken until now, or took.  While it goes on, the server's own count at the time of its answer
 * is counted on: the clocks of two machines differ.
 */
export function elapsedMs(job: Job, askedAt: number, now: number): number {
  if (job.finished_at) return Math.max(0, Date.parse(job.finished_at) - Date.parse(job.accepted_at));
  const told = (job.timeline.queued ?? 0) + (job.timeline.running ?? 0);
  return told + Math.max(0, now - askedAt);
}

/** How long it still takes if it goes on as it did; undefined while too little is done to tell. */
export function remainingMs(job: Job, fraction: number | undefined, askedAt: number, now: number): number | undefined {
  if (job.state !== 'running' || fraction === undefined || fraction < 0.05 || fraction >= 1) return undefined;
  const running = (job.timeline.running ?? 0) + Math.max(0, now - askedAt);
  return (running * (1 - fraction)) / fraction;
}

/** The time, once a second, while somebody waits for it. */
export function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(() => Date.now());

  useEffect(() => {
    if (!isTicking) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}
