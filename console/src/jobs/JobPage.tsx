// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Button, Code, Group, List, Loader, Stack, Table, Text, Title } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { RunForm, type RunTarget } from '../run/RunForm';
import { duration, elapsedMs, useNow } from './elapsed';
import { adviceKey } from './failure';
import { JobState } from './JobState';
import { isFinal, useCancel, useJob } from './useJobs';

const route = getRouteApi('/jobs/$job');

export function JobPage() {
  const { t, i18n } = useTranslation();
  const { job: id } = route.useParams();
  const { data: job, error } = useJob(id);
  const now = useNow(job ? !isFinal(job.state) : false);

  if (error) {
    return (
      <Alert color="red" title={t('errors.load')}>
        {error.message}
      </Alert>
    );
  }
  if (!job) return <Loader aria-label={t('app.loading')} />;
  return (
    <Stack gap="md">
      <Anchor component={Link} to="/jobs" size="sm">
        {t('jobs.back')}
      </Anchor>
      <Title order={1} size="h3">
        {job.algo_id} <Text span>{job.algo_version}</Text>
      </Title>
      <Group>
        <JobState job={job} />
        <Text size="sm">{duration(elapsedMs(job, now), i18n.language)}</Text>
        <Text size="xs" ff="monospace" c="dimmed">
          {job.job_id}
        </Text>
      </Group>
      {job.error ? <Failure error={job.error} /> : null}
      <Outputs job={job} />
      <Facts job={job} />
      <Timeline job={job} />
      <Actions job={job} />
    </Stack>
  );
}

function Failure({ error }: { error: NonNullable<Job['error']> }) {
  const { t } = useTranslation();
  const stage = error.stage ? t(`jobs.stage.${error.stage}`, { defaultValue: error.stage }) : '';

  return (
    <Alert color="red" title={t(adviceKey(error.code))} data-testid="failure">
      <Text size="sm">{error.message}</Text>
      <Text size="sm" c="dimmed">
        {t('jobs.failedAt', { stage, attempts: error.attempts ?? 1, code: error.code })}
      </Text>
    </Alert>
  );
}

function Outputs({ job }: { job: Job }) {
  const { t } = useTranslation();

  if (!job.outputs?.length) return null;
  return (
    <div>
      <Group>
        <Title order={2} size="h5">
          {t('jobs.outputs')}
        </Title>
        <Button component={Link} to={`/compare/${encodeURIComponent(job.job_id)}`} size="xs">
          {t('jobs.compare')}
        </Button>
      </Group>
      <List size="sm">
        {job.outputs.map((output) => (
          <List.Item key={output.key}>
            <Anchor href={output.url}>{t(`jobs.role.${output.role}`, { defaultValue: output.role })}</Anchor>{' '}
            <Text span size="xs" c="dimmed">
              {output.key}
            </Text>
          </List.Item>
        ))}
      </List>
    </div>
  );
}

function Facts({ job }: { job: Job }) {
  const { t } = useTranslation();
  const entries = Object.entries({ ...(job.measurements as Record<string, unknown> | undefined) });

  return (
    <Group align="start" gap="xl">
      {entries.length > 0 ? (
        <div>
          <Title order={2} size="h5">
            {t('jobs.measurements')}
          </Title>
          <Table withRowBorders={false} verticalSpacing={2}>
            <Table.Tbody>
              {entries.map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Th scope="row">{name}</Table.Th>
                  <Table.Td>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      ) : null}
      <div>
        <Title order={2} size="h5">
          {t('jobs.parameters')}
        </Title>
        <Code block>{JSON.stringify(job.params ?? {}, null, 2)}</Code>
      </div>
    </Group>
  );
}

function Timeline({ job }: { job: Job }) {
  const { t, i18n } = useTranslation();

  return (
    <div>
      <Title order={2} size="h5">
        {t('jobs.timeline')}
      </Title>
      <Group gap="lg">
        {Object.entries(job.timeline).map(([stage, ms]) => (
          <Text size="sm" key={stage}>
            {t(`jobs.stage.${stage}`, { defaultValue: stage })}: {duration(ms, i18n.language)}
          </Text>
        ))}
      </Group>
    </div>
  );
}

function Actions({ job }: { job: Job }) {
  const { t } = useTranslation();
  const navigate = route.useNavigate();
  const cancel = useCancel();
  const [isOpen, setOpen] = useState(false);
  const target: RunTarget = {
    study: job.pacs?.study_id ?? job.study_instance_uid ?? '',
    series: job.pacs?.series_id ?? '',
    image: job.pacs?.image_id ?? '',
    scope: (job.scope as RunTarget['scope']) ?? 'image',
  };

  return (
    <Stack gap="sm">
      <Group>
        {isFinal(job.state) ? null : (
          <Button variant="default" onClick={() => cancel.mutate(job.job_id)} loading={cancel.isPending}>
            {t('jobs.cancel')}
          </Button>
        )}
        <Button variant="default" onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
          {t('jobs.rerun')}
        </Button>
      </Group>
      {cancel.error ? <Alert color="red">{cancel.error.message}</Alert> : null}
      {isOpen ? (
        <RunForm
          target={target}
          algorithm={job.algo_id}
          params={job.params as Record<string, unknown> | undefined}
          onAccepted={(id) => {
            setOpen(false);
            void navigate({ to: '/jobs/$job', params: { job: id } });
          }}
        />
      ) : null}
    </Stack>
  );
}
