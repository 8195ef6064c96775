// SPDX-License-Identifier: Apache-2.0
// A series, slice by slice: everything by mouse, by button and by key.
import { Alert, Box, Button, Loader, Text } from '@mantine/core';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { text } from '../dicomweb/model';
import { Crosshair } from './Crosshair';
import type { StackImage, ToolName, View, Window } from './engine';
import { Identity } from './Identity';
import { Toolbar, useLooking } from './Toolbar';
import { useView } from './useBench';

const tools = ['window', 'pan', 'zoom', 'length', 'probe'] as const;

export interface Place {
  slice: number;
  window?: Window;
}

interface Props {
  images: StackImage[];
  place: Place;
  onPlace: (place: Place) => void;
  /** Beside the image; it may draw on the view. */
  children?: (view: View | undefined) => ReactNode;
}

export function StackView({ images, place, onPlace, children }: Props) {
  const { t } = useTranslation();
  const element = useRef<HTMLDivElement>(null);
  const [slice, setSlice] = useState(place.slice);
  const [window, setWindow] = useState<Window | undefined>(place.window);
  const [tool, setTool] = useState<ToolName>('window');
  const [isDrawn, setDrawn] = useState(false);
  const opening = useView(element, images, place.slice, {
    onSlice: setSlice,
    onWindow: setWindow,
    onRendered: () => setDrawn(true),
  });
  const view = opening.kind === 'open' ? opening.view : undefined;
  const bench = opening.kind === 'open' ? opening.bench : undefined;
  const isCt = text(images[slice]?.instance ?? {}, 'Modality') === 'CT';

  useEffect(() => bench?.use(tool), [bench, tool]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the window of the address counts once, at the beginning
  useEffect(() => {
    if (view && place.window) view.setWindow(place.window);
  }, [view]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: told by what changed, not by who listens
  useEffect(() => onPlace({ slice, window }), [slice, window]);

  const go = (index: number) => void view?.goTo(index);
  useLooking('viewer', { view, onTool: setTool, hasPresets: isCt });
  useKeys('viewer', {
    next: () => go(slice + 1),
    previous: () => go(slice - 1),
    tenOn: () => go(slice + 10),
    tenBack: () => go(slice - 10),
    first: () => go(0),
    last: () => go(images.length - 1),
    length: () => setTool('length'),
    probe: () => setTool('probe'),
  });

  const label = t('viewer.label', {
    slice: slice + 1,
    count: images.length,
    width: Math.round(window?.width ?? 0),
    center: Math.round(window?.center ?? 0),
  });
  return (
    <div>
      <Box mb="xs">
        <Toolbar view={view} tools={tools} tool={tool} onTool={setTool} hasPresets={isCt}>
          <Button size="compact-xs" variant="default" onClick={() => view?.clearMeasurements()}>
            {t('viewer.clear')}
          </Button>
        </Toolbar>
      </Box>
      {opening.kind === 'failed' ? <Alert color="red">{opening.message}</Alert> : null}
      <Box pos="relative" bg="#000" h="calc(100vh - 190px)" mih={240}>
        <div
          ref={element}
          role="img"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of the viewer work on it
          tabIndex={0}
          aria-label={label}
          style={{ width: '100%', height: '100%' }}
          onContextMenu={(event) => event.preventDefault()}
          data-testid="viewport"
          data-drawn={isDrawn}
          data-slice={slice}
        />
        {opening.kind === 'loading' ? (
          <Loader pos="absolute" top="45%" left="48%" aria-label={t('app.loading')} />
        ) : null}
        <Text pos="absolute" bottom={4} left={8} size="xs" c="#fff" style={{ pointerEvents: 'none' }} aria-hidden>
          {label}
        </Text>
        <Identity instance={images[slice]?.instance} />
        <Crosshair view={view} element={element} tool={tool} unit={isCt ? 'HU' : ''} />
      </Box>
      {children?.(view)}
    </div>
  );
}
