// SPDX-License-Identifier: Apache-2.0
import { type RefObject, useEffect, useRef, useState } from 'react';
import type { Bench, StackImage, ToolName, View, ViewEvents } from './engine';

export interface Opened {
  bench: Bench;
  view: View;
}

export type Opening = { kind: 'loading' } | { kind: 'failed'; message: string } | ({ kind: 'open' } & Opened);

/** True if the browser can draw by its graphics hardware (or its stand-in). */
export function hasWebGl(): boolean {
  return document.createElement('canvas').getContext('webgl2') !== null;
}

/** Mount one viewport in an element and show a stack in it; everything is taken down with the component. */
export function useView(
  element: RefObject<HTMLDivElement | null>,
  images: StackImage[] | undefined,
  first: number,
  events: ViewEvents,
): Opening {
  const [opening, setOpening] = useState<Opening>({ kind: 'loading' });
  const latest = useRef(events);
  latest.current = events;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `first` is where to begin, not where to go
  useEffect(() => {
    const target = element.current;
    if (!target || !images?.length) return;
    let bench: Bench | undefined;
    let isOver = false;
    const observer = new ResizeObserver(() => bench?.resize());
    (async () => {
      const engine = await import('./engine');
      await engine.start();
      if (isOver) return;
      bench = new engine.Bench();
      const view = bench.add('main', target, {
        onSlice: (index) => latest.current.onSlice?.(index),
        onWindow: (window) => latest.current.onWindow?.(window),
        onRendered: () => latest.current.onRendered?.(),
      });
      await view.show(images, first);
      if (isOver) return;
      observer.observe(target);
      setOpening({ kind: 'open', bench, view });
    })().catch((error: unknown) => {
      if (!isOver) setOpening({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    });
    return () => {
      isOver = true;
      observer.disconnect();
      bench?.destroy();
      setOpening({ kind: 'loading' });
    };
  }, [element, images]);
  return opening;
}

export type { ToolName };
