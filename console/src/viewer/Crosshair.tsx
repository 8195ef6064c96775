// SPDX-License-Identifier: Apache-2.0
// A place in the image: what value is there, under the pointer or at a crosshair that keys move.
import { Text } from '@mantine/core';
import { type RefObject, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import type { Point, ToolName, View } from './engine';

interface Props {
  view: View | undefined;
  element: RefObject<HTMLDivElement | null>;
  tool: ToolName;
  unit: string;
}

const STEP_PX = 10;

/** What is said of a pixel; a new image or a new place says something new. */
function useReading(view: View | undefined, point: Point | undefined, unit: string): string {
  const { t, i18n } = useTranslation();
  const [, drawAgain] = useState(0);

  useEffect(() => {
    if (!view) return;
    const controller = new AbortController();
    view.onRendered(() => drawAgain((count) => count + 1), controller.signal);
    return () => controller.abort();
  }, [view]);
  const pixel = point && view?.pixelAt(point);
  if (!pixel) return '';
  const format = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 2, useGrouping: false });
  const value = [pixel.value.map((part) => format.format(part)).join(' '), unit].filter(Boolean).join(' ');
  return t('viewer.at', { column: pixel.column, row: pixel.row, value });
}

export function Crosshair({ view, element, tool, unit }: Props) {
  const { t } = useTranslation();
  const [cross, setCross] = useState<Point>();
  const [start, setStart] = useState<Point>();
  const [pointer, setPointer] = useState<Point>();
  const reading = useReading(view, pointer ?? cross, unit);

  useEffect(() => {
    const target = element.current;
    if (!target) return;
    const controller = new AbortController();
    const listen = (name: 'pointermove' | 'pointerleave', handler: (event: PointerEvent) => void) =>
      target.addEventListener(name, handler, { signal: controller.signal });
    listen('pointermove', (event) => {
      const box = target.getBoundingClientRect();
      setPointer({ x: event.clientX - box.x, y: event.clientY - box.y });
    });
    listen('pointerleave', () => setPointer(undefined));
    return () => controller.abort();
  }, [element]);

  const move = (x: number, y: number) => (event: KeyboardEvent) => {
    const box = element.current?.getBoundingClientRect();
    if (!box) return;
    const from = cross ?? { x: Math.round(box.width / 2), y: Math.round(box.height / 2) };
    const step = event.shiftKey ? 1 : STEP_PX;
    const inside = (value: number, size: number) => Math.min(Math.max(value, 0), size - 1);
    setPointer(undefined);
    setCross({ x: inside(from.x + step * x, box.width), y: inside(from.y + step * y, box.height) });
  };
  const mark = () => {
    if (!cross) return;
    if (tool !== 'length') view?.measure('probe', [cross]);
    else if (start) view?.measure('length', [start, cross]);
    setStart(tool === 'length' && !start ? cross : undefined);
  };
  useKeys('viewer', {
    crossLeft: move(-1, 0),
    crossRight: move(1, 0),
    crossUp: move(0, -1),
    crossDown: move(0, 1),
    mark,
    clear: () => {
      view?.clearMeasurements();
      setStart(undefined);
      setCross(undefined);
    },
  });

  return (
    <>
      {cross ? (
        <svg
          style={{ position: 'absolute', inset: 0, width: '100%', height: '100%', pointerEvents: 'none' }}
          role="img"
          aria-label={t('viewer.crosshair')}
          data-testid="crosshair"
        >
          {start ? (
            <line x1={start.x} y1={start.y} x2={cross.x} y2={cross.y} stroke="#ff0" strokeDasharray="4" />
          ) : null}
          <path d={`M${cross.x - 12} ${cross.y}h9m6 0h9M${cross.x} ${cross.y - 12}v9m0 6v9`} stroke="#ff0" />
        </svg>
      ) : null}
      <Text
        pos="absolute"
        bottom={4}
        right={8}
        size="xs"
        c="#fff"
        style={{ pointerEvents: 'none' }}
        aria-live="polite"
        data-testid="reading"
      >
        {reading}
      </Text>
    </>
  );
}
