// SPDX-License-Identifier: Apache-2.0
import { Button, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { type Column, VirtualTable } from '../app/VirtualTable';
import { duration, elapsedMs, useNow } from './elapsed';
import { JobState } from './JobState';
import { isFinal, useCancel } from './useJobs';

interface Props {
  jobs: Job[];
  hasMore: boolean;
  onEnd: () => void;
}

export function JobTable({ jobs, ...rest }: Props) {
  const { t, i18n } = useTranslation();
  const now = useNow(jobs.some((job) => !isFinal(job.state)));
  const cancel = useCancel();
  const moment = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'short', timeStyle: 'medium' });
  const column = (key: string, width: string, cell: Column<Job>['cell']): Column<Job> => ({
    key,
    title: t(`jobs.column.${key}`),
    width,
    cell,
  });
  const columns = [
    column('accepted', '180px', (job) => (
      <Link to="/jobs/$job" params={{ job: job.job_id }}>
        {moment.format(new Date(job.accepted_at))}
      </Link>
    )),
    column('algorithm', '140px', (job) => job.algo_id),
    column('what', 'minmax(160px, 2fr)', (job) =>
      [job.pacs?.study_id, job.pacs?.series_id, job.pacs?.image_id].filter(Boolean).join(' / '),
    ),
    column('state', 'minmax(240px, 2fr)', (job) => <JobState job={job} />),
    column('elapsed', '110px', (job) => duration(elapsedMs(job, now), i18n.language)),
    column('action', '90px', (job) =>
      isFinal(job.state) ? null : (
        <Button size="compact-xs" variant="default" onClick={() => cancel.mutate(job.job_id)}>
          {t('jobs.cancel')}
        </Button>
      ),
    ),
  ];

  if (jobs.length === 0) return <Text c="dimmed">{t('jobs.none')}</Text>;
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
