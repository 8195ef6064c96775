// SPDX-License-Identifier: Apache-2.0
import { Alert, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { text } from '../dicomweb/model';
import { StudyFilterBar } from './StudyFilterBar';
import { StudyTable } from './StudyTable';
import { useStudies, useStudyByKey, useStudyRows } from './useStudies';

const route = getRouteApi('/');
const AHEAD = 20;

export function StudiesPage() {
  const { t, i18n } = useTranslation();
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const [range, setRange] = useState({ first: 0, last: 0 });
  const studies = useStudies(filters);
  const byKey = useStudyByKey(filters).data;
  const found = useStudyRows(studies.data, range.first - AHEAD, range.last + AHEAD);
  const isThere =
    byKey && found.rows.some((row) => row && text(row, 'StudyInstanceUID') === text(byKey, 'StudyInstanceUID'));
  const rows = byKey && !isThere ? [byKey, ...found.rows] : found.rows;
  const onRange = useCallback((first: number, last: number) => setRange({ first, last }), []);
  const error = studies.error ?? found.error;

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={1} size="h3">
          {t('nav.studies')}
        </Title>
        <Text size="sm" c="dimmed" aria-live="polite" data-testid="study-count">
          {studies.data
            ? t('studies.count', {
                count: rows.length,
                shown: new Intl.NumberFormat(i18n.language).format(rows.length),
              })
            : ''}
        </Text>
      </Group>
      <StudyFilterBar filters={filters} onChange={(next) => void navigate({ search: next, replace: true })} />
      {error ? (
        <Alert color="red" title={t('errors.load')}>
          {error.message}
        </Alert>
      ) : null}
      {studies.isPending ? <Loader aria-label={t('app.loading')} /> : null}
      {studies.data ? <StudyTable studies={rows} isStale={studies.isPlaceholderData} onRange={onRange} /> : null}
    </Stack>
  );
}
