// SPDX-License-Identifier: Apache-2.0
import { Button, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { type Column, VirtualTable } from '../app/VirtualTable';
import { duration, elapsedMs, useNow } from './elapsed';
import { JobState } from './JobState';
import { isFinal, useCancel, useFresh } from './useJobs';

interface Props {
  jobs: Job[];
  /** When they were asked for. */
  askedAt: number;
  hasMore: boolean;
  isFiltered: boolean;
  onEnd: () => void;
}

interface FreshProps {
  row: Job;
  askedAt: number;
  children: (job: Job, askedAt: number, now: number) => ReactNode;
}

/** A cell that goes on counting while its job is not over. */
function Fresh({ row, askedAt, children }: FreshProps) {
  const fresh = useFresh(row, askedAt);
  const now = useNow(!isFinal(fresh.job.state));
  return children(fresh.job, fresh.askedAt, now);
}

function RowActions({ job }: { job: Job }) {
  const { t } = useTranslation();
  const cancel = useCancel();

  if (!isFinal(job.state)) {
    return (
      <Button
        size="compact-xs"
        variant="default"
        onClick={() => cancel.mutate(job.job_id)}
        loading={cancel.isPending}
        aria-label={t('jobs.cancelOne', { job: job.job_id })}
      >
        {t('jobs.cancel')}
      </Button>
    );
  }
  return (
    <Group gap="sm" wrap="nowrap">
      {job.state === 'succeeded' ? (
        <Link to="/compare/$job" params={{ job: job.job_id }} aria-label={t('jobs.compareOne', { job: job.job_id })}>
          {t('jobs.compare')}
        </Link>
      ) : null}
      <Link
        to="/jobs/$job"
        params={{ job: job.job_id }}
        search={{ again: true }}
        aria-label={t('jobs.againOne', { job: job.job_id })}
      >
        {t('jobs.againShort')}
      </Link>
    </Group>
  );
}

export function JobTable({ jobs, askedAt, isFiltered, ...rest }: Props) {
  const { t, i18n } = useTranslation();
  const columns = useMemo(() => {
    const moment = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'short', timeStyle: 'medium' });
    const column = (key: string, width: string, cell: Column<Job>['cell']): Column<Job> => ({
      key,
      title: t(`jobs.column.${key}`),
      width,
      cell,
    });
    return [
      column('accepted', '210px', (job) => (
        <Link to="/jobs/$job" params={{ job: job.job_id }}>
          {moment.format(new Date(job.accepted_at))}
        </Link>
      )),
      column('algorithm', '120px', (job) => job.algo_id),
      column('what', 'minmax(140px, 2fr)', (job) => {
        const words = [t(`run.scopes.${job.scope}`, { defaultValue: job.scope }), job.study_id ?? ''].join(' · ');
        return <span title={words}>{words}</span>;
      }),
      column('state', 'minmax(240px, 2fr)', (row) => (
        <Fresh row={row} askedAt={askedAt}>
          {(job, at, now) => <JobState job={job} askedAt={at} now={now} />}
        </Fresh>
      )),
      column('elapsed', '100px', (row) => (
        <Fresh row={row} askedAt={askedAt}>
          {(job, at, now) => duration(elapsedMs(job, at, now), i18n.language)}
        </Fresh>
      )),
      column('action', '190px', (row) => (
        <Fresh row={row} askedAt={askedAt}>
          {(job) => <RowActions job={job} />}
        </Fresh>
      )),
    ];
  }, [t, i18n.language, askedAt]);

  if (jobs.length === 0) return <Text c="dimmed">{t(isFiltered ? 'jobs.noneMatch' : 'jobs.none')}</Text>;
  return (
    <VirtualTable
      label={t('nav.jobs')}
      rows={jobs}
      columns={columns}
      rowKey={(job) => job.job_id}
      rowPx={40}
      {...rest}
    />
  );
}
