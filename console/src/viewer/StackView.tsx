// SPDX-License-Identifier: Apache-2.0
// A series, slice by slice: everything by mouse, by button and by key.
import { Alert, Box, Button, Group, Loader, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { number, text } from '../dicomweb/model';
import type { StackImage, ToolName, Window } from './engine';
import { presets } from './presets';
import { useView } from './useBench';

const toolNames: ToolName[] = ['window', 'pan', 'zoom', 'length', 'probe'];

export interface Place {
  slice: number;
  window?: Window;
}

interface Props {
  images: StackImage[];
  place: Place;
  onPlace: (place: Place) => void;
}

export function StackView({ images, place, onPlace }: Props) {
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
  const isGrey =
    number(images[0]?.instance ?? {}, 'Rows') !== undefined && text(images[0]?.instance ?? {}, 'Modality') === 'CT';

  useEffect(() => bench?.use(tool), [bench, tool]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the window of the address counts once, at the beginning
  useEffect(() => {
    if (view && place.window) view.setWindow(place.window);
  }, [view]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: told by what changed, not by who listens
  useEffect(() => onPlace({ slice, window }), [slice, window]);

  const go = (index: number) => void view?.goTo(index);
  const presetActions = Object.fromEntries(presets.map((preset) => [preset.name, () => view?.setWindow(preset)]));
  const toolActions = Object.fromEntries(toolNames.map((name) => [name, () => setTool(name)]));
  useKeys('viewer', {
    next: () => go(slice + 1),
    previous: () => go(slice - 1),
    tenOn: () => go(slice + 10),
    tenBack: () => go(slice - 10),
    first: () => go(0),
    last: () => go(images.length - 1),
    zoomIn: () => view?.zoomBy(1.2),
    zoomOut: () => view?.zoomBy(1 / 1.2),
    invert: () => view?.invert(),
    reset: () => view?.reset(),
    ...presetActions,
    ...toolActions,
  });

  const label = t('viewer.label', {
    slice: slice + 1,
    count: images.length,
    width: Math.round(window?.width ?? 0),
    center: Math.round(window?.center ?? 0),
  });
  return (
    <div>
      <Group gap="xs" mb="xs" role="toolbar" aria-label={t('viewer.tools')}>
        {toolNames.map((name) => (
          <Button
            key={name}
            size="compact-xs"
            variant={tool === name ? 'filled' : 'default'}
            aria-pressed={tool === name}
            onClick={() => setTool(name)}
          >
            {t(`viewer.tool.${name}`)}
          </Button>
        ))}
        {isGrey
          ? presets.map((preset) => (
              <Button key={preset.name} size="compact-xs" variant="subtle" onClick={() => view?.setWindow(preset)}>
                {t(`viewer.preset.${preset.name}`)}
              </Button>
            ))
          : null}
        <Button size="compact-xs" variant="default" onClick={() => view?.reset()}>
          {t('viewer.reset')}
        </Button>
      </Group>
      {opening.kind === 'failed' ? <Alert color="red">{opening.message}</Alert> : null}
      <Box pos="relative" bg="#000" h="calc(100vh - 220px)" mih={240}>
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
      </Box>
    </div>
  );
}
