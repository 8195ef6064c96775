// SPDX-License-Identifier: Apache-2.0
import { type RefObject, useEffect, useState } from 'react';
import type { Bench, StackImage, View } from '../viewer/engine';
import { Linker } from './links';

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
  onSlice: (index: number) => void;
  onDrawn: () => void;
}

/** Two linked viewports, taken down with the component. */
export function useCompare({ left, right, images, onSlice, onDrawn }: Options): Compare | undefined {
  const [compare, setCompare] = useState<Compare>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: who listens does not change what is mounted
  useEffect(() => {
    const one = left.current;
    const other = right.current;
    if (!one || !other || !images?.left.length) return;
    let bench: Bench | undefined;
    let isOver = false;
    const observer = new ResizeObserver(() => bench?.resize());
    (async () => {
      const engine = await import('../viewer/engine');
      await engine.start();
      if (isOver) return;
      bench = new engine.Bench();
      const linker = new Linker();
      const views: { left?: View; right?: View } = {};
      const listen = (from: 'left' | 'right', to: 'left' | 'right') => {
        const pass = (kind: 'slice' | 'camera' | 'window') => () => {
          if (views[from] && views[to]) linker.pass(kind, views[from], views[to]);
          if (kind === 'slice' && views[from]) onSlice(views[from].slice);
        };
        return { onSlice: pass('slice'), onCamera: pass('camera'), onWindow: pass('window'), onRendered: onDrawn };
      };
      linker.links = { slice: false, camera: false, window: false }; // nobody follows before both are there
      views.left = bench.add('left', one, listen('left', 'right'));
      views.right = bench.add('right', other, listen('right', 'left'));
      await Promise.all([views.left.show(images.left, 0), views.right.show(images.right, 0)]);
      linker.links = { slice: true, camera: true, window: true };
      if (isOver) return;
      observer.observe(one);
      setCompare({ bench, left: views.left, right: views.right, linker });
    })().catch(() => undefined); // what failed shows as an empty viewport; its request said why
    return () => {
      isOver = true;
      observer.disconnect();
      bench?.destroy();
      setCompare(undefined);
    };
  }, [images]);
  return compare;
}
