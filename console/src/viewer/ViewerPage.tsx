// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Button, Drawer, Group, Loader, Stack } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useRemember } from '../app/useRemember';
import { metadata } from '../dicomweb/client';
import { text } from '../dicomweb/model';
import { RunForm } from '../run/RunForm';
import { ByKey } from '../studies/ByKey';
import type { StackImage } from './engine';
import { Overlays } from './Overlays';
import { PlainView } from './PlainView';
import { Report } from './Report';
import { type Place, StackView } from './StackView';
import { hasWebGl } from './useBench';

const route = getRouteApi('/view/$study/$series');
const isNamed = (uid: string) => (image: StackImage) => text(image.instance, 'SOPInstanceUID') === uid;
const round = (value: number) => Math.round(value * 10) / 10;

export function ViewerPage() {
  const { study, series } = route.useParams();
  const { image } = route.useSearch();
  const navigate = route.useNavigate();
  const [begun, begin] = useState(image);

  if (image && image !== begun) begin(image); // it leaves the address with the first slice that is remembered
  return (
    <ByKey
      study={study}
      series={series}
      image={image}
      onFound={(found) =>
        void navigate({
          params: { study: found.study, series: found.series },
          search: (old) => (image ? { ...old, image: found.instance } : old),
          replace: true,
        })
      }
    >
      <Viewer key={`${series} ${begun}`} study={study} series={series} />
    </ByKey>
  );
}

function Viewer({ study, series }: { study: string; series: string }) {
  const { t } = useTranslation();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [canDraw] = useState(hasWebGl);
  const [isRunOpen, run] = useDisclosure(false);
  const [place, setPlace] = useState<Place>({
    slice: (search.slice ?? 1) - 1,
    window: search.width === undefined ? undefined : { center: search.center ?? 0, width: search.width },
  });
  const images = useQuery({
    queryKey: ['stack', study, series],
    queryFn: async ({ signal }) => {
      const [engine, headers] = await Promise.all([import('./engine'), metadata({ study, series }, signal)]);
      return engine.stackOf(headers);
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { pathname } = route.useMatch();
  const remember = useRemember(pathname, (next: Place) => {
    const window = next.window && { center: round(next.window.center), width: round(next.window.width) };
    void navigate({ search: (old) => ({ overlay: old.overlay, slice: next.slice + 1, ...window }), replace: true });
  });
  const onPlace = (next: Place) => {
    setPlace(next);
    remember(next);
  };
  const wanted = search.image ? (images.data ?? []).findIndex(isNamed(search.image)) : -1;
  const start = wanted >= 0 ? { ...place, slice: wanted } : place;
  const current = images.data?.[place.slice]?.instance;

  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Anchor component={Link} to={`/studies/${encodeURIComponent(study)}`} size="sm">
          {t('viewer.back')}
        </Anchor>
        <Button size="compact-sm" onClick={run.open} data-testid="open-run">
          {t('run.title')}
        </Button>
      </Group>
      {images.error ? (
        <Alert color="red" title={t('errors.load')}>
          {images.error.message}
        </Alert>
      ) : null}
      {images.isPending ? <Loader aria-label={t('app.loading')} /> : null}
      {images.data?.length === 0 ? <Report study={study} series={series} /> : null}
      {images.data?.length ? (
        canDraw ? (
          <StackView images={images.data} place={start} onPlace={onPlace}>
            {(view) => <Overlays study={study} series={series} images={images.data} view={view} />}
          </StackView>
        ) : (
          <PlainView study={study} series={series} images={images.data} place={start} onPlace={onPlace} />
        )
      ) : null}
      <Drawer
        opened={isRunOpen}
        onClose={run.close}
        title={t('run.title')}
        position="right"
        closeButtonProps={{ 'aria-label': t('app.close') }}
      >
        <RunForm
          key={place.slice}
          target={{ study, series, image: current ? text(current, 'SOPInstanceUID') : '', scope: 'image' }}
          onAccepted={(job) => {
            run.close();
            void navigate({ to: '/jobs/$job', params: { job } });
          }}
        />
      </Drawer>
    </Stack>
  );
}
