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

/** How long a job has taken until now, or took. */
export function elapsedMs(job: Job, now: number): number {
  const end = job.finished_at ? Date.parse(job.finished_at) : now;
  return Math.max(0, end - Date.parse(job.accepted_at));
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
