// SPDX-License-Identifier: Apache-2.0
import { Alert, Checkbox, Group, Loader, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { getRouteApi } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useClientId } from '../api/client-id';
import { useKeys } from '../app/keys';
import { useAlgorithms } from '../run/useAlgorithms';
import { JobTable } from './JobTable';
import { type JobFilters, useJobs } from './useJobs';

const route = getRouteApi('/jobs');
const states = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;

export function JobsPage() {
  const { t } = useTranslation();
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const clientId = useClientId();
  const jobs = useJobs(filters, clientId);
  const change = (next: Partial<JobFilters>) => void navigate({ search: { ...filters, ...next }, replace: true });

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={1} size="h3">
          {t('nav.jobs')}
        </Title>
        <Text size="sm" c="dimmed" aria-live="polite" data-testid="job-count">
          {t(jobs.hasMore ? 'jobs.countMore' : 'jobs.count', { count: jobs.rows.length })}
        </Text>
      </Group>
      <JobFilterBar filters={filters} onChange={change} />
      {jobs.error ? (
        <Alert color="red" title={t('errors.load')}>
          {jobs.error.message}
        </Alert>
      ) : null}
      {jobs.isPending ? <Loader aria-label={t('app.loading')} /> : null}
      {jobs.isPending ? null : (
        <JobTable
          jobs={jobs.rows}
          askedAt={jobs.askedAt}
          hasMore={jobs.hasMore}
          isFiltered={Boolean(filters.q || filters.algo || filters.state)}
          onEnd={jobs.more}
        />
      )}
    </Stack>
  );
}

function JobFilterBar({ filters, onChange }: { filters: JobFilters; onChange: (next: Partial<JobFilters>) => void }) {
  const { t } = useTranslation();
  const { data: algorithms } = useAlgorithms();
  const [typed, setTyped] = useState(filters.q ?? '');
  const field = useRef<HTMLInputElement>(null);
  useKeys('jobs', { find: () => field.current?.focus(), all: () => onChange({ all: filters.all ? undefined : true }) });
  const search = useDebouncedCallback((q: string) => onChange({ q: q || undefined }), 300);

  return (
    <Group component="search" align="end" gap="xs" aria-label={t('jobs.filter.label')}>
      <TextInput
        ref={field}
        size="xs"
        label={t('jobs.filter.q')}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          search(event.currentTarget.value);
        }}
      />
      <NativeSelect
        size="xs"
        label={t('jobs.filter.state')}
        data={[
          { value: '', label: t('jobs.filter.any') },
          ...states.map((value) => ({ value, label: t(`jobs.state.${value}`) })),
        ]}
        value={filters.state ?? ''}
        onChange={(event) => onChange({ state: (event.currentTarget.value || undefined) as JobFilters['state'] })}
      />
      <NativeSelect
        size="xs"
        label={t('run.algorithm')}
        data={[{ value: '', label: t('jobs.filter.any') }, ...(algorithms?.items ?? []).map((item) => item.id)]}
        value={filters.algo ?? ''}
        onChange={(event) => onChange({ algo: event.currentTarget.value || undefined })}
      />
      <Checkbox
        size="xs"
        label={t('jobs.filter.all')}
        checked={filters.all ?? false}
        onChange={(event) => onChange({ all: event.currentTarget.checked || undefined })}
      />
    </Group>
  );
}
