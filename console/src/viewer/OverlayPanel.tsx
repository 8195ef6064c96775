// SPDX-License-Identifier: Apache-2.0
// The segments on an image: an eye, fill, outline and the way to each; keys H, D and B for all of them.
import { Alert, Button, ColorSwatch, Group, Loader, Slider, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import type { StackImage, View } from './engine';
import { firstLook, type Look, Overlay } from './overlay';
import type { Segment, Segmentation } from './segmentation';

interface Props {
  scope: 'viewer' | 'compare';
  view: View | undefined;
  images: StackImage[];
  segmentation: Segmentation;
  /** What was measured of a segment, by its label. */
  figures?: Record<string, string>;
}

const STEP = 0.1;
const within = (value: number) => Math.min(1, Math.max(0, Math.round(value * 100) / 100));

type Drawing = { kind: 'loading' } | { kind: 'drawn'; overlay: Overlay } | { kind: 'failed'; why: string };

/** The overlay of a view, taken down with the component. */
function useOverlay(view: View | undefined, images: StackImage[], segmentation: Segmentation): Drawing {
  const [drawing, setDrawing] = useState<Drawing>({ kind: 'loading' });

  useEffect(() => {
    if (!view) return;
    let overlay: Overlay | undefined;
    let isOver = false;
    const show = async () => {
      overlay = new Overlay(view, images, segmentation);
      await overlay.load();
      if (!isOver) setDrawing({ kind: 'drawn', overlay });
    };
    show().catch((error: unknown) => {
      if (!isOver) setDrawing({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
    });
    return () => {
      isOver = true;
      setDrawing({ kind: 'loading' });
      overlay?.done();
    };
  }, [view, images, segmentation]);
  return drawing;
}

export function OverlayPanel({ scope, view, images, segmentation, figures }: Props) {
  const { t } = useTranslation();
  const drawing = useOverlay(view, images, segmentation);
  const overlay = drawing.kind === 'drawn' ? drawing.overlay : undefined;
  const [looks, setLooks] = useState<Record<number, Look>>({});
  const lookOf = (number: number) => looks[number] ?? firstLook;

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
  useKeys(scope, {
    hideOverlay: () => change((look) => ({ ...look, isShown: !isAnyShown })),
    fainter: () => change((look) => ({ ...look, fill: within(look.fill - STEP) })),
    stronger: () => change((look) => ({ ...look, fill: within(look.fill + STEP) })),
  });
  const jump = (number: number) => {
    const index = overlay?.middleOf(number);
    if (index !== undefined) void view?.goTo(index);
  };

  if (drawing.kind === 'failed') {
    return (
      <Alert color="yellow" p="xs" data-testid="overlay" data-drawn={false}>
        {drawing.why === 'grid' ? t('overlay.grid') : t('overlay.failed', { why: drawing.why })}
      </Alert>
    );
  }
  return (
    <section aria-label={t('overlay.list')} data-testid="overlay" data-drawn={drawing.kind === 'drawn'}>
      <Group gap="xs" mb={4}>
        <Text size="xs" c="dimmed">
          {t('overlay.hint')}
        </Text>
        {drawing.kind === 'loading' ? <Loader size={14} aria-label={t('overlay.loading')} /> : null}
      </Group>
      <ul style={{ listStyle: 'none', margin: 0, padding: 0 }}>
        {segmentation.segments.map((segment) => (
          <SegmentRow
            key={segment.number}
            segment={segment}
            look={lookOf(segment.number)}
            figure={figures?.[segment.label.toLowerCase()]}
            onLook={(part) => change((look) => ({ ...look, ...part }), segment.number)}
            onJump={() => jump(segment.number)}
          />
        ))}
      </ul>
    </section>
  );
}

interface RowProps {
  segment: Segment;
  look: Look;
  figure: string | undefined;
  onLook: (part: Partial<Look>) => void;
  onJump: () => void;
}

function SegmentRow({ segment: { label, color }, look, figure, onLook, onJump }: RowProps) {
  const { t } = useTranslation();

  return (
    <Group component="li" gap="sm" mb={6} data-segment={label}>
      <Group gap="xs" wrap="nowrap" miw={130}>
        <ColorSwatch size={14} color={`rgb(${color.join(',')})`} />
        <Text size="sm">{label}</Text>
      </Group>
      <Group gap={4} wrap="nowrap">
        <Button
          size="compact-xs"
          variant={look.isShown ? 'filled' : 'default'}
          aria-pressed={look.isShown}
          aria-label={`${t('overlay.show')}: ${label}`}
          onClick={() => onLook({ isShown: !look.isShown })}
        >
          {t('overlay.show')}
        </Button>
        <Button size="compact-xs" variant="default" aria-label={`${t('overlay.jump')}: ${label}`} onClick={onJump}>
          {t('overlay.jump')}
        </Button>
      </Group>
      {(['fill', 'outline'] as const).map((part) => (
        <Group key={part} gap={6} wrap="nowrap">
          <Text size="xs" c="dimmed">
            {t(`overlay.${part}`)}
          </Text>
          <Slider
            w={90}
            size="sm"
            min={0}
            max={1}
            step={0.05}
            label={(value) => `${Math.round(100 * value)} %`}
            thumbLabel={`${label}: ${t(`overlay.${part}`)}`}
            value={look[part]}
            onChange={(value) => onLook({ [part]: value })}
          />
        </Group>
      ))}
      {figure ? <Text size="sm">{figure}</Text> : null}
    </Group>
  );
}
