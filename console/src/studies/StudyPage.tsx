// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Badge, Card, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { resource, thumbnail } from '../dicomweb/client';
import { type DataSet, date, number, text } from '../dicomweb/model';
import { Picture } from '../dicomweb/Picture';
import { ByKey } from './ByKey';
import { groups, type Part } from './parts';
import { useStudy } from './useStudies';

const route = getRouteApi('/studies/$study');

export function StudyPage() {
  const { study } = route.useParams();
  const navigate = route.useNavigate();

  return (
    <ByKey study={study} onFound={(found) => void navigate({ params: { study: found.study }, replace: true })}>
      <Study uid={study} />
    </ByKey>
  );
}

function Study({ uid }: { uid: string }) {
  const { t, i18n } = useTranslation();
  const { data, error, isPending } = useStudy(uid);

  if (isPending) return <Loader aria-label={t('app.loading')} />;
  if (error || !data?.study) {
    return (
      <Alert color="red" title={t('errors.load')}>
        {error?.message ?? t('studies.gone')}
      </Alert>
    );
  }
  const { study, parts } = data;
  const facts = [
    text(study, 'PatientID'),
    date(text(study, 'PatientBirthDate'), i18n.language),
    text(study, 'PatientSex'),
    date(text(study, 'StudyDate'), i18n.language),
    text(study, 'StudyDescription'),
    text(study, 'AccessionNumber'),
    t('studies.counts', {
      series: parts.length,
      instances: parts.reduce((sum, part) => sum + imagesOf(part), 0),
    }),
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
        <Text size="sm" c="dimmed" data-testid="study-facts">
          {facts.filter(Boolean).join(' · ')}
        </Text>
        <Text size="xs" c="dimmed" ff="monospace">
          {uid}
        </Text>
      </div>
      <ul style={{ listStyle: 'none', margin: 0, padding: 0 }}>
        {groups(parts).map(({ original, derived }) => (
          <Card component="li" withBorder key={original.uid} mb="md" padding="sm" data-testid="series-group">
            <Series study={uid} part={original} size={112} />
            {derived.length > 0 ? (
              <>
                <Text size="xs" c="dimmed" mt="sm" mb={4} id={`derived-${original.uid}`}>
                  {t('studies.derived')}
                </Text>
                <Group component="ul" aria-labelledby={`derived-${original.uid}`} gap="md" p={0} m={0}>
                  {derived.map((part) => (
                    <li key={part.uid} style={{ listStyle: 'none' }} data-testid="derived">
                      <Series study={uid} part={part} original={original} size={56} />
                    </li>
                  ))}
                </Group>
              </>
            ) : null}
          </Card>
        ))}
      </ul>
    </Stack>
  );
}

const imagesOf = ({ series }: Part) => number(series, 'NumberOfSeriesRelatedInstances') ?? 0;

/** Where one looks at a series: a Segmentation on its original. */
function address(study: string, { uid, instance, series }: Part, original: Part | undefined): string {
  const view = (one: string) => `#/view/${encodeURIComponent(study)}/${encodeURIComponent(one)}`;
  if (text(series, 'Modality') === 'SEG' && original) return `${view(original.uid)}?overlay=${instance}`;
  return view(uid);
}

interface Props {
  study: string;
  part: Part;
  original?: Part;
  size: number;
}

function Series({ study, part, original, size }: Props) {
  const { t } = useTranslation();
  const { series, uid } = part;

  return (
    <Group wrap="nowrap" align="start" gap="sm">
      {part.hasPixels ? (
        <Picture src={thumbnail({ study, series: uid })} size={size} />
      ) : (
        <NoPicture series={series} size={size} />
      )}
      <div>
        <Anchor href={address(study, part, original)} fw={600} size={original ? 'sm' : 'md'}>
          {text(series, 'SeriesDescription') || t('studies.series', { number: text(series, 'SeriesNumber') })}
        </Anchor>
        <Group gap={6}>
          <Badge size="xs" variant="light" color={original ? 'gray' : 'blue'}>
            {text(series, 'Modality') || '?'}
          </Badge>
          {part.hasPixels ? (
            <Text size="sm" c="dimmed">
              {t('studies.images', { count: imagesOf(part) })}
            </Text>
          ) : null}
        </Group>
        {original ? null : (
          <Anchor size="xs" href={`${resource({ study, series: uid })}/metadata`}>
            {t('studies.metadata')}
          </Anchor>
        )}
      </div>
    </Group>
  );
}

/** In the place of a picture, for what has none: a report. */
function NoPicture({ series, size }: { series: DataSet; size: number }) {
  return (
    <Group justify="center" w={size} h={size} bg="var(--mantine-color-default-hover)" aria-hidden>
      <Text size="sm" c="dimmed">
        {text(series, 'Modality')}
      </Text>
    </Group>
  );
}
