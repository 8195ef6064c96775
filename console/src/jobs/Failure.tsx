// SPDX-License-Identifier: Apache-2.0
// Why a job failed, where, after how many attempts, and what to do now.
import { Alert, Button, Code, CopyButton, Group, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { adviceKey } from './failure';

/** What whoever is asked for help needs to know; no word about the patient. */
function report(job: Job): string {
  return [
    `job ${job.job_id}`,
    `algorithm ${job.algo_id} ${job.algo_version}`,
    `code ${job.error?.code}`,
    `stage ${job.error?.stage}`,
    `attempts ${job.error?.attempts}`,
    `message ${job.error?.message}`,
    `accepted ${job.accepted_at}, finished ${job.finished_at ?? ''}`,
  ].join('\n');
}

export function Failure({ job }: { job: Job }) {
  const { t } = useTranslation();
  const { error } = job;

  if (!error) return null;
  return (
    <Alert color="red" title={t(`${adviceKey(error.code)}.what`)} data-testid="failure">
      <Stack gap="xs">
        <Text size="sm" fw={600}>
          {t(`${adviceKey(error.code)}.do`)}
        </Text>
        <Text size="sm">
          {t('jobs.failedAt', {
            count: error.attempts ?? job.attempts,
            stage: t(`jobs.failedStage.${error.stage}`, { defaultValue: error.stage }),
          })}{' '}
          {t('jobs.serverSays')} <Code>{error.message}</Code>
        </Text>
        <Group gap="xs">
          <CopyButton value={report(job)}>
            {({ copied, copy }) => (
              <Button size="compact-xs" variant="default" onClick={copy}>
                {t(copied ? 'client.copied' : 'jobs.copyReport')}
              </Button>
            )}
          </CopyButton>
          <Text size="xs" c="dimmed">
            {error.code}
          </Text>
        </Group>
      </Stack>
    </Alert>
  );
}
