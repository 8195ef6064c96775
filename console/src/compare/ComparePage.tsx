// SPDX-License-Identifier: Apache-2.0
// The original beside what an algorithm made of it, with what was measured and what differs in the headers.
import { Alert, Anchor, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { date, text } from '../dicomweb/model';
import { Measurements } from '../jobs/Measurements';
import { useJob } from '../jobs/useJobs';
import { useAlgorithms } from '../run/useAlgorithms';
import type { View } from '../viewer/engine';
import { OverlayPanel } from '../viewer/OverlayPanel';
import { hasWebGl } from '../viewer/useBench';
import { figuresOf } from './figures';
import { MetadataDiff } from './MetadataDiff';
import { PlainPair } from './PlainPair';
import { type Pair, pairs } from './pairs';
import { Views } from './Views';

const route = getRouteApi('/compare/$job');

export function ComparePage() {
  const { t } = useTranslation();
  const { job: id } = route.useParams();
  const { data: job, error } = useJob(id);
  const found = useMemo(() => (job ? pairs(job) : []), [job]);

  if (error) return <Alert color="red">{error.message}</Alert>;
  if (!job) return <Loader aria-label={t('app.loading')} />;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={1} size="h4">
          {t('compare.title', { algorithm: job.algo_id })}
        </Title>
        <Anchor component={Link} to={`/jobs/${encodeURIComponent(id)}`} size="sm">
          {t('compare.job')}
        </Anchor>
      </Group>
      {found.length > 0 ? <Comparison job={job} found={found} /> : <Alert>{t('compare.nothing')}</Alert>}
    </Stack>
  );
}

function useImages(job: Job, found: Pair[]) {
  return useQuery({
    queryKey: ['compare', job.job_id],
    queryFn: async ({ signal }) => {
      const [{ loadInstances }, { loadSegmentation }] = await Promise.all([
        import('../viewer/engine'),
        import('../viewer/segmentation'),
      ]);
      const study = job.study_instance_uid ?? '';
      const series = seriesOf(job);
      const made = job.outputs?.find((output) => output.role === 'segmentation');
      const [left, right, segmentation] = await Promise.all([
        loadInstances(
          found.map((pair) => ({ study, series: series.get(pair.source) ?? '', instance: pair.source })),
          signal,
        ),
        loadInstances(
          found.map((pair) => ({ study, ...pair.derived })),
          signal,
        ),
        made?.series_instance_uid
          ? loadSegmentation({ study, series: made.series_instance_uid, instance: made.sop_instance_uid }, signal)
          : undefined,
      ]);
      return { left, right, segmentation };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The series of each input. */
function seriesOf(job: Job): Map<string, string> {
  const inputs = (job.inputs ?? []) as { sop_instance_uid?: string; series_instance_uid?: string }[];
  return new Map(inputs.map((input) => [input.sop_instance_uid ?? '', input.series_instance_uid ?? '']));
}

function Comparison({ job, found }: { job: Job; found: Pair[] }) {
  const { t, i18n } = useTranslation();
  const search = route.useSearch();
  const images = useImages(job, found);
  const algorithms = useAlgorithms();
  const [canDraw] = useState(hasWebGl);
  const [slice, setSlice] = useState(Math.min((search.slice ?? 1) - 1, found.length - 1));
  const [view, setView] = useState<View>();
  const pair = found[Math.min(slice, found.length - 1)] as Pair;
  const study = job.study_instance_uid ?? '';
  const left = { study, series: seriesOf(job).get(pair.source), instance: pair.source };
  const right = { study, ...pair.derived };

  if (images.error) return <Alert color="red">{images.error.message}</Alert>;
  if (!images.data) return <Loader aria-label={t('app.loading')} />;
  const header = images.data.left[slice]?.instance ?? {};
  const whose = [
    text(header, 'PatientName'),
    text(header, 'PatientID'),
    date(text(header, 'StudyDate'), i18n.language),
    text(header, 'SeriesDescription'),
  ];
  return (
    <>
      <Text size="sm" c="dimmed" data-testid="patient">
        {whose.filter(Boolean).join(' · ')}
      </Text>
      {canDraw ? (
        <Views images={images.data} slice={slice} onSlice={setSlice} onView={setView} />
      ) : (
        <PlainPair left={left} right={right} slice={slice} count={found.length} onSlice={setSlice} />
      )}
      {canDraw && images.data.segmentation ? (
        <OverlayPanel
          scope="compare"
          view={view}
          images={images.data.left}
          segmentation={images.data.segmentation}
          figures={figuresOf(job.measurements as Record<string, unknown> | undefined, i18n.language)}
        />
      ) : null}
      <Measurements job={job} algorithm={algorithms.data?.items.find((one) => one.id === job.algo_id)} />
      <MetadataDiff left={left} right={right} />
    </>
  );
}
