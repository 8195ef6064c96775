// SPDX-License-Identifier: Apache-2.0
// The original beside what an algorithm made of it: linked, swiped or flickered.
import {
  Alert,
  Anchor,
  Button,
  Checkbox,
  Group,
  Loader,
  SegmentedControl,
  Slider,
  Stack,
  Text,
  Title,
} from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { useKeys } from '../app/keys';
import { useJob } from '../jobs/useJobs';
import { OverlayPanel } from '../viewer/OverlayPanel';
import { figuresOf } from './figures';
import { MetadataDiff } from './MetadataDiff';
import { type Pair, pairs } from './pairs';
import { useCompare } from './useCompare';

const route = getRouteApi('/compare/$job');
type Mode = 'side' | 'swipe' | 'flicker';

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
      {found.length > 0 ? <Views job={job} found={found} /> : <Alert>{t('compare.nothing')}</Alert>}
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
      const [left, right] = await Promise.all([
        loadInstances(
          found.map((pair) => ({ study, series: series.get(pair.source) ?? '', instance: pair.source })),
          signal,
        ),
        loadInstances(
          found.map((pair) => ({ study, ...pair.derived })),
          signal,
        ),
      ]);
      const made = job.outputs?.find((output) => output.role === 'segmentation');
      const segmentation = made?.series_instance_uid
        ? await loadSegmentation({ study, series: made.series_instance_uid, instance: made.sop_instance_uid }, signal)
        : undefined;
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

function Views({ job, found }: { job: Job; found: Pair[] }) {
  const { t, i18n } = useTranslation();
  const left = useRef<HTMLDivElement>(null);
  const right = useRef<HTMLDivElement>(null);
  const images = useImages(job, found);
  const [mode, setMode] = useState<Mode>('side');
  const [swipe, setSwipe] = useState(50);
  const [isHidden, setHidden] = useState(false);
  const [slice, setSlice] = useState(0);
  const [drawn, setDrawn] = useState(0);
  const [links, setLinks] = useState({ slice: true, camera: true, window: true });
  const compare = useCompare({
    left,
    right,
    images: images.data,
    onSlice: setSlice,
    onDrawn: () => setDrawn((count) => count + 1),
  });
  useEffect(() => {
    if (compare) compare.linker.links = links;
  }, [compare, links]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another layout is another size
  useEffect(() => compare?.bench.resize(), [compare, mode]);
  useFlicker(mode === 'flicker', setHidden);
  const isHeld = useHeld('f');
  const go = (index: number) => void compare?.left.goTo(index);
  useKeys('compare', {
    next: () => go(slice + 1),
    previous: () => go(slice - 1),
    first: () => go(0),
    last: () => go(found.length - 1),
    zoomIn: () => compare?.left.zoomBy(1.2),
    zoomOut: () => compare?.left.zoomBy(1 / 1.2),
    reset: () => compare?.left.reset(),
  });

  const pair = found[Math.min(slice, found.length - 1)] as Pair;
  const study = job.study_instance_uid ?? '';
  const isStacked = mode !== 'side';
  const box = { background: '#000', height: 'calc(100vh - 300px)', minHeight: 240, minWidth: 0 };
  const onTop = isStacked
    ? {
        gridArea: '1 / 1',
        clipPath: mode === 'swipe' ? `inset(0 0 0 ${swipe}%)` : undefined,
        visibility: isHidden ? ('hidden' as const) : undefined,
      }
    : {};
  return (
    <>
      {images.error ? <Alert color="red">{images.error.message}</Alert> : null}
      <Group gap="md">
        <SegmentedControl
          size="xs"
          aria-label={t('compare.mode')}
          data={(['side', 'swipe', 'flicker'] as const).map((value) => ({ value, label: t(`compare.modes.${value}`) }))}
          value={mode}
          onChange={(value) => setMode(value as Mode)}
        />
        {(['slice', 'camera', 'window'] as const).map((name) => (
          <Checkbox
            key={name}
            size="xs"
            label={t(`compare.link.${name}`)}
            checked={links[name]}
            onChange={(event) => setLinks({ ...links, [name]: event.currentTarget.checked })}
          />
        ))}
        <Button size="compact-xs" variant="default" onClick={() => compare?.left.reset()}>
          {t('viewer.reset')}
        </Button>
        <Text size="sm">{t('viewer.slice', { slice: slice + 1, count: found.length })}</Text>
      </Group>
      {mode === 'swipe' ? (
        <Slider value={swipe} onChange={setSwipe} thumbLabel={t('compare.modes.swipe')} label={null} />
      ) : null}
      <div
        style={{ display: 'grid', gridTemplateColumns: isStacked ? '1fr' : '1fr 1fr', gap: 4 }}
        data-testid="compare"
        data-drawn={drawn}
        data-slice={slice}
      >
        <div
          ref={left}
          role="img"
          aria-label={t('compare.original')}
          style={{ ...box, gridArea: isStacked ? '1 / 1' : undefined }}
          onContextMenu={(event) => event.preventDefault()}
          data-testid="original"
        />
        <div
          ref={right}
          role="img"
          aria-label={t('compare.processed')}
          style={{ ...box, ...onTop, ...(isHeld ? { visibility: 'hidden' } : {}) }}
          onContextMenu={(event) => event.preventDefault()}
          data-testid="processed"
        />
      </div>
      {images.data?.segmentation ? (
        <OverlayPanel
          scope="compare"
          view={compare?.left}
          images={images.data.left}
          segmentation={images.data.segmentation}
          figures={figuresOf(job.measurements as Record<string, unknown> | undefined, i18n.language)}
        />
      ) : null}
      <MetadataDiff
        left={{ study, series: seriesOf(job).get(pair.source), instance: pair.source }}
        right={{ study, ...pair.derived }}
      />
    </>
  );
}

const FLICKER_MS = 500;

/** Show and hide by turns; people who want less motion hold F. */
function useFlicker(isOn: boolean, setHidden: (isHidden: boolean) => void): void {
  useEffect(() => {
    if (!isOn) {
      setHidden(false);
      return;
    }
    let isHidden = false;
    const wantsStill = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    const timer = wantsStill
      ? undefined
      : setInterval(() => {
          isHidden = !isHidden;
          setHidden(isHidden);
        }, FLICKER_MS);
    return () => clearInterval(timer);
  }, [isOn, setHidden]);
}

/** True while a key is down: F shows the original alone, whatever the mode. */
function useHeld(key: string): boolean {
  const [isDown, setDown] = useState(false);

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement && event.target.type === 'text';
      if (event.key.toLowerCase() === key && !isTyping) setDown(event.type === 'keydown');
    };
    window.addEventListener('keydown', press);
    window.addEventListener('keyup', press);
    return () => {
      window.removeEventListener('keydown', press);
      window.removeEventListener('keyup', press);
    };
  }, [key]);
  return isDown;
}
