// SPDX-License-Identifier: Apache-2.0
// A state is a sign, a word and a colour: never colour alone.
import { Badge, Group, Progress, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { useProgress } from '../live/LiveProvider';
import { duration, remainingMs } from './elapsed';

const looks: Record<Job['state'], { sign: string; color: string }> = {
  queued: { sign: '…', color: 'gray' },
  running: { sign: '▶', color: 'blue' },
  succeeded: { sign: '✓', color: 'teal' },
  failed: { sign: '✕', color: 'red' },
  cancelled: { sign: '⊘', color: 'orange' },
};

const OLD_MS = 10_000; // news older than this are said to be old

interface Props {
  job: Job;
  /** When the job was asked for. */
  askedAt: number;
  now: number;
  /** With the time that is left and the age of the news. */
  isFull?: boolean;
}

export function JobState({ job, askedAt, now, isFull }: Props) {
  const { t } = useTranslation();
  const look = looks[job.state];

  return (
    <Group gap="xs" wrap={isFull ? 'wrap' : 'nowrap'}>
      <Badge
        variant="light"
        color={look.color}
        leftSection={<span aria-hidden>{look.sign}</span>}
        style={{ flex: 'none' }}
        data-testid="job-state"
      >
        {job.state === 'succeeded' && job.found === false ? t('jobs.state.nothing') : t(`jobs.state.${job.state}`)}
      </Badge>
      {job.state === 'queued' && job.position !== undefined ? (
        <Text size="xs" data-testid="job-position">
          {job.position === 0 ? t('jobs.positionNext') : t('jobs.position', { count: job.position })}
        </Text>
      ) : null}
      {job.state === 'running' ? <Running job={job} askedAt={askedAt} now={now} isFull={isFull} /> : null}
    </Group>
  );
}

function Running({ job, askedAt, now, isFull }: Props) {
  const { t, i18n } = useTranslation();
  const live = useProgress(job.job_id);
  const fraction = live?.fraction ?? job.progress?.fraction;
  const stage = live?.stage ?? job.progress?.stage;
  const ageMs = Math.max(0, now - (live?.heardAt ?? askedAt));
  const isOld = ageMs >= OLD_MS;
  const left = isOld ? undefined : remainingMs(job, fraction, askedAt, now);

  return (
    <>
      <Progress
        value={100 * (fraction ?? 0)}
        w={isFull ? 160 : 60}
        style={{ flex: 'none', opacity: isOld ? 0.5 : undefined }}
        aria-label={t('jobs.progress')}
      />
      <Text size="xs" data-testid="job-progress">
        {fraction === undefined ? '' : `${Math.round(100 * fraction)} % `}
        {stage ? t(`jobs.stage.${stage}`, { defaultValue: stage }) : ''}
      </Text>
      {isFull && left !== undefined ? (
        <Text size="xs" data-testid="job-left">
          {t('jobs.left', { time: duration(Math.ceil(left / 1000) * 1000, i18n.language) })}
        </Text>
      ) : null}
      {isFull || isOld ? (
        <Text size="xs" c="dimmed" data-testid="job-age">
          {t('jobs.lastUpdate', { count: Math.floor(ageMs / 1000) })}
        </Text>
      ) : null}
    </>
  );
}
