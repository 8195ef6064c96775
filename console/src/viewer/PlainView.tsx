// SPDX-License-Identifier: Apache-2.0
// Where the browser cannot draw by WebGL: the pictures that the server renders, slice by slice.
import { Alert, Box, Button, Group, Slider, Stack } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { rendered } from '../dicomweb/client';
import { text } from '../dicomweb/model';
import type { StackImage } from './engine';
import { presets } from './presets';
import type { Place } from './StackView';

interface Props {
  study: string;
  series: string;
  images: StackImage[];
  place: Place;
  onPlace: (place: Place) => void;
}

export function PlainView({ study, series, images, place, onPlace }: Props) {
  const { t } = useTranslation();
  const [slice, setSlice] = useState(Math.min(place.slice, images.length - 1));
  const image = images[slice];
  const go = (index: number) => {
    const next = Math.min(Math.max(index, 0), images.length - 1);
    setSlice(next);
    onPlace({ ...place, slice: next });
  };
  const isCt = text(image?.instance ?? {}, 'Modality') === 'CT';
  const setWindow = (window: Place['window']) => onPlace({ slice, window });
  useKeys('viewer', {
    next: () => go(slice + 1),
    previous: () => go(slice - 1),
    tenOn: () => go(slice + 10),
    tenBack: () => go(slice - 10),
    first: () => go(0),
    last: () => go(images.length - 1),
    reset: () => setWindow(undefined),
    ...(isCt ? Object.fromEntries(presets.map((preset) => [preset.name, () => setWindow(preset)])) : {}),
  });

  if (!image) return null;
  const uids = { study, series, instance: text(image.instance, 'SOPInstanceUID') };
  return (
    <Stack>
      <Alert color="yellow">{t('viewer.noWebGl')}</Alert>
      <Group gap="xs" role="toolbar" aria-label={t('viewer.tools')}>
        {isCt
          ? presets.map((preset) => (
              <Button key={preset.name} size="compact-xs" variant="default" onClick={() => setWindow(preset)}>
                {t(`viewer.preset.${preset.name}`)}
              </Button>
            ))
          : null}
        <Button size="compact-xs" variant="default" onClick={() => setWindow(undefined)}>
          {t('viewer.reset')}
        </Button>
      </Group>
      <Box bg="#000" style={{ display: 'grid', placeItems: 'center' }}>
        <img
          src={rendered(uids, {
            frame: image.frame,
            window: place.window ? [place.window.center, place.window.width] : undefined,
          })}
          alt={t('viewer.slice', { slice: slice + 1, count: images.length })}
          style={{ maxWidth: '100%', maxHeight: 'calc(100vh - 300px)' }}
        />
      </Box>
      <Slider
        min={1}
        max={Math.max(images.length, 2)}
        disabled={images.length < 2}
        value={slice + 1}
        onChange={(value) => go(value - 1)}
        thumbLabel={t('viewer.slice', { slice: slice + 1, count: images.length })}
      />
    </Stack>
  );
}
