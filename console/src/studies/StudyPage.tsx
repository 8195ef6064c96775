// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Group, Loader, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { resource, thumbnail } from '../dicomweb/client';
import { type DataSet, date, number, text } from '../dicomweb/model';
import { Picture } from '../dicomweb/Picture';
import { useStudy } from './useStudies';

const route = getRouteApi('/studies/$study');

export function StudyPage() {
  const { t, i18n } = useTranslation();
  const { study: uid } = route.useParams();
  const { data, error, isPending } = useStudy(uid);

  if (isPending) return <Loader aria-label={t('app.loading')} />;
  if (error || !data?.study) {
    return (
      <Alert color="red" title={t('errors.load')}>
        {error?.message ?? t('studies.gone')}
      </Alert>
    );
  }
  const { study, series } = data;
  const facts = [
    text(study, 'PatientID'),
    date(text(study, 'PatientBirthDate'), i18n.language),
    text(study, 'PatientSex'),
    date(text(study, 'StudyDate'), i18n.language),
    text(study, 'StudyDescription'),
    text(study, 'AccessionNumber'),
  ];
  return (
    <Stack gap="md">
      <Anchor component={Link} to="/" size="sm">
        {t('studies.back')}
      </Anchor>
      <div>
        <Title order={1} size="h3">
          {text(study, 'PatientName') || t('studies.unnamed')}
        </Title>
        <Text size="sm" c="dimmed">
          {facts.filter(Boolean).join(' · ')}
        </Text>
        <Text size="xs" c="dimmed" ff="monospace">
          {uid}
        </Text>
      </div>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} component="ul" p={0} style={{ listStyle: 'none' }}>
        {[...series].sort(bySeriesNumber).map((item) => (
          <SeriesCard key={text(item, 'SeriesInstanceUID')} study={uid} series={item} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}

const bySeriesNumber = (a: DataSet, b: DataSet) =>
  (number(a, 'SeriesNumber') ?? 1e9) - (number(b, 'SeriesNumber') ?? 1e9);

function SeriesCard({ study, series }: { study: string; series: DataSet }) {
  const { t } = useTranslation();
  const uid = text(series, 'SeriesInstanceUID');

  return (
    <li>
      <Group wrap="nowrap" align="start">
        <Picture src={thumbnail({ study, series: uid })} size={96} />
        <div>
          <Anchor component={Link} to={`/view/${encodeURIComponent(study)}/${encodeURIComponent(uid)}`} fw={600}>
            {text(series, 'SeriesDescription') || t('studies.series', { number: text(series, 'SeriesNumber') })}
          </Anchor>
          <Text size="sm" c="dimmed">
            {[
              text(series, 'Modality'),
              t('studies.images', { count: number(series, 'NumberOfSeriesRelatedInstances') ?? 0 }),
            ].join(' · ')}
          </Text>
          <Anchor size="sm" href={`${resource({ study, series: uid })}/metadata`}>
            {t('studies.metadata')}
          </Anchor>
        </div>
      </Group>
    </li>
  );
}
