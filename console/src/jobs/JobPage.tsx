// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Button, Group, List, Loader, Stack, Text, Title } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { useKeys } from '../app/keys';
import { RunForm, type RunTarget } from '../run/RunForm';
import { wordsOf } from '../run/schema';
import { useAlgorithms } from '../run/useAlgorithms';
import { duration, elapsedMs, useNow } from './elapsed';
import { Failure } from './Failure';
import { Gallery } from './Gallery';
import { JobState } from './JobState';
import { Measurements } from './Measurements';
import { Parameters } from './Parameters';
import { Timeline } from './Timeline';
import { earlierId, isFinal, useAgain, useCancel, useJob } from './useJobs';

const route = getRouteApi('/jobs/$job');

export function JobPage() {
  const { t, i18n } = useTranslation();
  const { job: id } = route.useParams();
  const { data: job, error, dataUpdatedAt } = useJob(id);
  const { data: algorithms } = useAlgorithms();
  const now = useNow(job ? !isFinal(job.state) : false);
  const before = job && earlierId(job);
  const { data: earlier } = useJob(before ?? '', before !== undefined);

  if (!job) {
    return error ? (
      <Alert color="red" title={t('errors.load')}>
        {error.message}
      </Alert>
    ) : (
      <Loader aria-label={t('app.loading')} />
    );
  }
  const algorithm = algorithms?.items.find((item) => item.id === job.algo_id);
  return (
    <Stack gap="md">
      <Anchor component={Link} to="/jobs" size="sm">
        {t('jobs.back')}
      </Anchor>
      <div>
        <Title order={1} size="h3">
          {algorithm ? wordsOf(algorithm, i18n.language).title : job.algo_id}
        </Title>
        <Text size="sm" c="dimmed">
          {job.algo_id} {job.algo_version} · {t('jobs.id')} <span data-testid="job-id">{job.job_id}</span>
        </Text>
        {before ? (
          <Group gap="xs">
            <Text size="sm">{t(job.retry_of ? 'jobs.retryOf' : 'jobs.rerunOf')}</Text>
            <Anchor component={Link} to={`/jobs/${encodeURIComponent(before)}`} size="sm" data-testid="earlier">
              {before}
            </Anchor>
          </Group>
        ) : null}
      </div>
      <Group>
        <JobState job={job} askedAt={dataUpdatedAt} now={now} isFull />
        <Text size="sm" data-testid="job-elapsed">
          {duration(elapsedMs(job, dataUpdatedAt, now), i18n.language)}
        </Text>
        {error ? (
          <Text size="sm" c="red">
            {error.message}
          </Text>
        ) : null}
      </Group>
      <Failure job={job} />
      <Actions job={job} />
      <Measurements job={job} algorithm={algorithm} />
      <Gallery job={job} />
      <Parameters job={job} algorithm={algorithm} earlier={before === earlier?.job_id ? earlier : undefined} />
      <Inputs job={job} />
      <Timeline job={job} />
      <Files job={job} />
    </Stack>
  );
}

function Inputs({ job }: { job: Job }) {
  const { t } = useTranslation();
  const study = job.study_instance_uid;
  const inputs = (job.inputs ?? []) as { series_instance_uid?: string }[];
  const series = inputs[0]?.series_instance_uid;

  return (
    <section aria-labelledby="inputs">
      <Title order={2} size="h5" id="inputs">
        {t('jobs.inputs')}
      </Title>
      <Group gap="md">
        <Text size="sm">
          {[
            t(`run.scopes.${job.scope}`, { defaultValue: job.scope }),
            t('studies.images', { count: inputs.length }),
          ].join(' · ')}
        </Text>
        {study ? (
          <Anchor component={Link} to={`/studies/${encodeURIComponent(study)}`} size="sm">
            {t('jobs.openStudy')}
          </Anchor>
        ) : null}
        {study && series ? (
          <Anchor
            component={Link}
            to={`/view/${encodeURIComponent(study)}/${encodeURIComponent(series)}`}
            size="sm"
            data-testid="open-series"
          >
            {t('jobs.openSeries')}
          </Anchor>
        ) : null}
      </Group>
      <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
        {[job.pacs?.study_id ?? job.study_id, job.pacs?.series_id, job.pacs?.image_id].filter(Boolean).join(' / ')}
      </Text>
    </section>
  );
}

function Files({ job }: { job: Job }) {
  const { t } = useTranslation();

  if (!job.outputs?.length) return null;
  return (
    <details>
      <summary>{t('jobs.files', { count: job.outputs.length })}</summary>
      <List size="sm">
        {job.outputs.map((output) => (
          <List.Item key={output.key}>
            <Anchor href={output.url}>{t(`jobs.role.${output.role}`, { defaultValue: output.role })}</Anchor>{' '}
            <Text span size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {output.key}
            </Text>
          </List.Item>
        ))}
      </List>
    </details>
  );
}

function Actions({ job }: { job: Job }) {
  const { t } = useTranslation();
  const navigate = route.useNavigate();
  const { again: isOpen = false } = route.useSearch();
  const cancel = useCancel();
  const form = useRef<HTMLDivElement>(null);
  const open = (id: string) => void navigate({ to: '/jobs/$job', params: { job: id }, search: {} });
  const again = useAgain((accepted) => open(accepted.job_id));
  const toggle = () => void navigate({ search: { again: isOpen ? undefined : true }, replace: true });
  const isOver = isFinal(job.state);
  const hasPictures = Boolean(job.outputs?.some((output) => output.role === 'overlay' || output.role === 'image'));
  const compare = () => void navigate({ to: '/compare/$job', params: { job: job.job_id } });
  useKeys('job', {
    ...(isOver ? { again: () => again.mutate(job) } : { cancel: () => cancel.mutate(job.job_id) }),
    changed: toggle,
    ...(hasPictures ? { compare } : {}),
  });
  useEffect(() => {
    if (isOpen) form.current?.scrollIntoView({ block: 'nearest' });
  }, [isOpen]);

  return (
    <Stack gap="sm">
      <Group gap="xs">
        {hasPictures ? (
          <Button size="compact-md" onClick={compare} data-testid="compare-job">
            {t('jobs.compare')}
          </Button>
        ) : null}
        {isOver ? (
          <Button
            size="compact-md"
            variant="default"
            onClick={() => again.mutate(job)}
            loading={again.isPending}
            data-testid="again"
          >
            {t('jobs.again')}
          </Button>
        ) : (
          <Button
            size="compact-md"
            variant="default"
            onClick={() => cancel.mutate(job.job_id)}
            loading={cancel.isPending}
            data-testid="cancel"
          >
            {t('jobs.cancel')}
          </Button>
        )}
        <Button
          size="compact-md"
          variant="default"
          onClick={toggle}
          aria-expanded={isOpen}
          data-testid="again-with-changes"
        >
          {t('jobs.rerun')}
        </Button>
      </Group>
      {cancel.error ? <Alert color="red">{cancel.error.message}</Alert> : null}
      {again.error ? (
        <Alert color="red" title={t('run.refused')}>
          {again.error.message}
        </Alert>
      ) : null}
      {isOpen ? (
        <div ref={form} style={{ maxWidth: 760 }}>
          <RunForm target={targetOf(job)} earlier={job} onAccepted={open} />
        </div>
      ) : null}
    </Stack>
  );
}

const targetOf = (job: Job): RunTarget => ({
  study: job.pacs?.study_id ?? job.study_instance_uid ?? '',
  series: job.pacs?.series_id ?? '',
  image: job.pacs?.image_id ?? '',
  scope: (job.scope as RunTarget['scope']) ?? 'image',
});
