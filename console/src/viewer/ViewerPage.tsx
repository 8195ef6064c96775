// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Button, Drawer, Group, Loader, Stack } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { text } from '../dicomweb/model';
import { RunForm } from '../run/RunForm';
import { Overlays } from './Overlays';
import { PlainView } from './PlainView';
import { type Place, StackView } from './StackView';
import { hasWebGl } from './useBench';

const route = getRouteApi('/view/$study/$series');
const round = (value: number) => Math.round(value * 10) / 10;

export function ViewerPage() {
  const { t } = useTranslation();
  const { study, series } = route.useParams();
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
    queryFn: async ({ signal }) => (await import('./engine')).loadStack(study, series, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const remember = useDebouncedCallback((next: Place) => {
    const window = next.window && { center: round(next.window.center), width: round(next.window.width) };
    void navigate({ search: (old) => ({ overlay: old.overlay, slice: next.slice + 1, ...window }), replace: true });
  }, 400);
  const onPlace = (next: Place) => {
    setPlace(next);
    remember(next);
  };
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
      {images.data?.length === 0 ? <Alert>{t('viewer.noPixels')}</Alert> : null}
      {images.data?.length ? (
        canDraw ? (
          <StackView images={images.data} place={place} onPlace={onPlace}>
            {(view) => <Overlays study={study} series={series} images={images.data} view={view} />}
          </StackView>
        ) : (
          <PlainView study={study} series={series} images={images.data} place={place} onPlace={onPlace} />
        )
      ) : null}
      <Drawer opened={isRunOpen} onClose={run.close} title={t('run.title')} position="right">
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
