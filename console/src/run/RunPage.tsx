// SPDX-License-Identifier: Apache-2.0
// Run an algorithm on what is named by hand; the address may name it as well.
import { Stack, Text, Title } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { RunForm } from './RunForm';

const route = getRouteApi('/run');

export function RunPage() {
  const { t } = useTranslation();
  const navigate = route.useNavigate();
  const { study_id = '', series_id = '', image_id = '', scope = 'image', algorithm } = route.useSearch();

  return (
    <Stack maw={760}>
      <Title order={1} size="h3">
        {t('run.title')}
      </Title>
      <Text size="sm" c="dimmed">
        {t('run.byHand')}
      </Text>
      <RunForm
        target={{ study: study_id, series: series_id, image: image_id, scope }}
        algorithm={algorithm}
        onAccepted={(job) => void navigate({ to: '/jobs/$job', params: { job }, search: {} })}
      />
    </Stack>
  );
}
