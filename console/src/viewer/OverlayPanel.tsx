// SPDX-License-Identifier: Apache-2.0
// The segments on an image: an eye, fill, outline and the way to each; keys H, [ and ] for all of them.
import { Button, ColorSwatch, Group, Slider, Table, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { text } from '../dicomweb/model';
import type { StackImage, View } from './engine';
import type { Look, Overlay } from './overlay';
import type { Segmentation } from './segmentation';

interface Props {
  view: View | undefined;
  images: StackImage[];
  segmentation: Segmentation;
  /** What was measured of a segment, by its label. */
  figures?: Record<string, string>;
}

const STEP = 0.1;
const within = (value: number) => Math.min(1, Math.max(0, Math.round(value * 10) / 10));
const start: Look = { fill: 0.35, outline: 1, isShown: true };

export function OverlayPanel({ view, images, segmentation, figures }: Props) {
  const { t } = useTranslation();
  const [overlay, setOverlay] = useState<Overlay>();
  const [looks, setLooks] = useState<Record<number, Look>>({});
  const lookOf = (number: number) => looks[number] ?? start;

  useEffect(() => {
    if (!view) return;
    let drawn: Overlay | undefined;
    let isOver = false;
    import('./overlay')
      .then(({ drawOverlay }) => drawOverlay(view, images, segmentation))
      .then((made) => {
        drawn = made;
        if (isOver) made.done();
        else setOverlay(made);
      })
      .catch(() => undefined); // the request said why; the picture is without it
    return () => {
      isOver = true;
      setOverlay(undefined);
      drawn?.done();
    };
  }, [view, images, segmentation]);

  const change = (next: (look: Look) => Look, only?: number) => {
    const all = { ...looks };
    for (const { number } of segmentation.segments) {
      if (only !== undefined && only !== number) continue;
      all[number] = next(lookOf(number));
      overlay?.look(number, all[number]);
    }
    setLooks(all);
  };
  const isAnyShown = segmentation.segments.some(({ number }) => lookOf(number).isShown);
  useKeys('compare', {
    hideOverlay: () => change((look) => ({ ...look, isShown: !isAnyShown })),
    fainter: () => change((look) => ({ ...look, fill: within(look.fill - STEP) })),
    stronger: () => change((look) => ({ ...look, fill: within(look.fill + STEP) })),
  });
  const jump = (number: number) => {
    const frames = segmentation.frames.filter((frame) => frame.segment === number);
    const source = frames[Math.floor(frames.length / 2)]?.source;
    const index = images.findIndex((image) => text(image.instance, 'SOPInstanceUID') === source);
    if (index >= 0) void view?.goTo(index);
  };

  return (
    <Table withRowBorders={false} verticalSpacing={2} data-testid="overlay" data-drawn={overlay !== undefined}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('overlay.segment')}</Table.Th>
          <Table.Th>{t('overlay.fill')}</Table.Th>
          <Table.Th>{t('overlay.outline')}</Table.Th>
          <Table.Th>{t('overlay.figures')}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {segmentation.segments.map(({ number, label, color }) => (
          <Table.Tr key={number}>
            <Table.Td>
              <Group gap="xs" wrap="nowrap">
                <ColorSwatch size={14} color={`rgb(${color.join(',')})`} />
                <Text size="sm">{label}</Text>
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-pressed={lookOf(number).isShown}
                  onClick={() => change((look) => ({ ...look, isShown: !look.isShown }), number)}
                >
                  {t('overlay.show')}
                </Button>
                <Button size="compact-xs" variant="default" onClick={() => jump(number)}>
                  {t('overlay.jump')}
                </Button>
              </Group>
            </Table.Td>
            {(['fill', 'outline'] as const).map((part) => (
              <Table.Td key={part} miw={120}>
                <Slider
                  size="sm"
                  min={0}
                  max={1}
                  step={0.05}
                  label={(value) => `${Math.round(100 * value)} %`}
                  thumbLabel={`${label}: ${t(`overlay.${part}`)}`}
                  value={lookOf(number)[part]}
                  onChange={(value) => change((look) => ({ ...look, [part]: value }), number)}
                />
              </Table.Td>
            ))}
            <Table.Td>
              <Text size="sm">{figures?.[label.toLowerCase()] ?? ''}</Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
