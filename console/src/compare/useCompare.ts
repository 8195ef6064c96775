// SPDX-License-Identifier: Apache-2.0
import { type RefObject, useEffect, useRef, useState } from 'react';
import { text } from '../dicomweb/model';
import type { Bench, StackImage, View } from '../viewer/engine';
import { type Follow, Linker } from './links';

export interface Compare {
  bench: Bench;
  left: View;
  right: View;
  linker: Linker;
}

interface Options {
  left: RefObject<HTMLDivElement | null>;
  right: RefObject<HTMLDivElement | null>;
  images: { left: StackImage[]; right: StackImage[] } | undefined;
  first: number;
  onSlice: (index: number) => void;
  onFailed: (message: string) => void;
}

const modalityOf = (images: StackImage[]) => text(images[0]?.instance ?? {}, 'Modality');

/** Two viewports with the means to link them, taken down with the component. */
export function useCompare({ left, right, images, first, ...events }: Options): Compare | undefined {
  const [compare, setCompare] = useState<Compare>();
  const latest = useRef(events);
  latest.current = events;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `first` is where to begin, not where to go
  useEffect(() => {
    const one = left.current;
    const other = right.current;
    if (!one || !other || !images?.left.length) return;
    let bench: Bench | undefined;
    let isOver = false;
    const observer = new ResizeObserver(() => bench?.resize());
    const open = async () => {
      const engine = await import('../viewer/engine');
      await engine.start();
      if (isOver) return;
      bench = new engine.Bench();
      const linker = new Linker(modalityOf(images.left) === modalityOf(images.right));
      const views: { left?: View; right?: View } = {};
      const listen = (from: 'left' | 'right', to: 'left' | 'right') => {
        const pass = (kind: Follow) => {
          if (views[from] && views[to]) linker.pass(kind, views[from], views[to]);
        };
        return {
          onSlice: (index: number) => {
            pass('slice');
            if (from === 'left') latest.current.onSlice(index);
          },
          onWindow: () => pass('window'),
          onCamera: () => pass('camera'),
        };
      };
      const made = {
        left: bench.add('left', one, listen('left', 'right')),
        right: bench.add('right', other, listen('right', 'left')),
      };
      await Promise.all([made.left.show(images.left, first), made.right.show(images.right, first)]);
      if (isOver) return;
      linker.begin(made.left);
      linker.begin(made.right);
      Object.assign(views, made);
      observer.observe(one);
      setCompare({ bench, ...made, linker });
    };
    open().catch((error: unknown) => {
      if (!isOver) latest.current.onFailed(error instanceof Error ? error.message : String(error));
    });
    return () => {
      isOver = true;
      observer.disconnect();
      bench?.destroy();
      setCompare(undefined);
    };
  }, [images]);
  return compare;
}
