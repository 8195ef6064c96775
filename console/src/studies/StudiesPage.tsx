// SPDX-License-Identifier: Apache-2.0
import { Alert, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { type DataSet, text } from '../dicomweb/model';
import { StudyFilterBar } from './StudyFilterBar';
import { StudyTable } from './StudyTable';
import { useStudies, useStudyByKey } from './useStudies';

const route = getRouteApi('/');

export function StudiesPage() {
  const { t } = useTranslation();
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const studies = useStudies(filters);
  const byKey = useStudyByKey(filters).data;
  const found = studies.data?.pages.flatMap((page) => page.items) ?? [];
  const uidOf = (study: DataSet) => text(study, 'StudyInstanceUID');
  const items = byKey ? [byKey, ...found.filter((study) => uidOf(study) !== uidOf(byKey))] : found;

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={1} size="h3">
          {t('nav.studies')}
        </Title>
        <Text size="sm" c="dimmed" aria-live="polite" data-testid="study-count">
          {studies.hasNextPage
            ? t('studies.countMore', { count: items.length })
            : t('studies.count', { count: items.length })}
        </Text>
      </Group>
      <StudyFilterBar filters={filters} onChange={(next) => void navigate({ search: next, replace: true })} />
      {studies.error ? (
        <Alert color="red" title={t('errors.load')}>
          {studies.error.message}
        </Alert>
      ) : null}
      {studies.isPending ? <Loader aria-label={t('app.loading')} /> : null}
      {studies.data ? (
        <StudyTable
          studies={items}
          hasMore={studies.hasNextPage}
          isStale={studies.isPlaceholderData}
          onEnd={() => {
            if (studies.hasNextPage && !studies.isFetchingNextPage) void studies.fetchNextPage();
          }}
        />
      ) : null}
    </Stack>
  );
}
