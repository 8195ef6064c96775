// SPDX-License-Identifier: Apache-2.0
// A state is a sign, a word and a colour: never colour alone.
import { Badge, Group, Progress, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { useProgress } from '../live/LiveProvider';

const looks: Record<Job['state'], { sign: string; color: string }> = {
  queued: { sign: '…', color: 'gray' },
  running: { sign: '▶', color: 'blue' },
  succeeded: { sign: '✓', color: 'teal' },
  failed: { sign: '✕', color: 'red' },
  cancelled: { sign: '⊘', color: 'orange' },
};

export function JobState({ job }: { job: Job }) {
  const { t } = useTranslation();
  const live = useProgress(job.job_id);
  const look = looks[job.state];
  const fraction = live?.fraction ?? job.progress?.fraction;
  const stage = live?.stage ?? job.progress?.stage;

  return (
    <Group gap="xs" wrap="nowrap">
      <Badge
        variant="light"
        color={look.color}
        leftSection={<span aria-hidden>{look.sign}</span>}
        data-testid="job-state"
      >
        {job.state === 'succeeded' && job.found === false ? t('jobs.state.nothing') : t(`jobs.state.${job.state}`)}
      </Badge>
      {job.state === 'queued' && job.position !== undefined ? (
        <Text size="xs">{t('jobs.position', { count: job.position })}</Text>
      ) : null}
      {job.state === 'running' && fraction !== undefined ? (
        <>
          <Progress value={100 * fraction} w={80} aria-label={t('jobs.progress')} />
          <Text size="xs">
            {Math.round(100 * fraction)} % {stage ? t(`jobs.stage.${stage}`, { defaultValue: stage }) : ''}
          </Text>
        </>
      ) : null}
    </Group>
  );
}
