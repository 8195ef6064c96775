// SPDX-License-Identifier: Apache-2.0
// The original and what was made of it, side by side or one over the other.
import { Alert, Checkbox, Group, Loader, SegmentedControl, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { type RefObject, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { useRemember } from '../app/useRemember';
import { text } from '../dicomweb/model';
import type { StackImage, ToolName, View, Window } from '../viewer/engine';
import { Toolbar, useLooking } from '../viewer/Toolbar';
import { type Mode, modes } from './CompareSearch';
import { Divider } from './Divider';
import type { Links } from './links';
import { type Compare, useCompare } from './useCompare';
import { useFlicker, useHeld } from './useFlicker';
import classes from './Views.module.css';

const route = getRouteApi('/compare/$job');
const tools = ['window', 'pan', 'zoom'] as const;
const SWIPE_STEP = 5;
const round = (value: number) => Math.round(value * 10) / 10;
const linkNames = ['slice', 'camera', 'window'] as const;

interface Props {
  images: { left: StackImage[]; right: StackImage[] };
  slice: number;
  onSlice: (slice: number) => void;
  /** The view of the original, once there is one. */
  onView: (view: View | undefined) => void;
}

export function Views({ images, slice, onSlice, onView }: Props) {
  const { t } = useTranslation();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mode: Mode = search.mode ?? 'side';
  const left = useRef<HTMLDivElement>(null);
  const right = useRef<HTMLDivElement>(null);
  const [swipe, setSwipe] = useState(50);
  const [links, setLinks] = useState<Links>({ slice: true, camera: true, window: true });
  const [tool, setTool] = useState<ToolName>('window');
  const [failure, setFailure] = useState('');
  const isHidden = useFlicker(mode === 'flicker');
  const isHeld = useHeld('f');
  const { pathname } = route.useMatch();
  const remember = useRemember(pathname, (index: number, window: Window | undefined) => {
    const seen = window && { center: round(window.center), width: round(window.width) };
    void navigate({ search: (old) => ({ mode: old.mode, slice: index + 1, ...seen }), replace: true });
  });
  const compare = useCompare({
    left,
    right,
    images,
    first: (search.slice ?? 1) - 1,
    onSlice,
    onFailed: setFailure,
  });
  const window = useWindow(compare, search.width && { center: search.center ?? 0, width: search.width });
  useEffect(() => onView(compare?.left), [compare, onView]);
  useEffect(() => compare?.linker.set(links, compare.left, compare.right), [compare, links]);
  useEffect(() => compare?.bench.use(tool), [compare, tool]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another layout is another size
  useEffect(() => compare?.bench.resize(), [compare, mode]);
  useEffect(() => {
    if (compare) remember(slice, window);
  }, [compare, slice, window, remember]);

  const setMode = (next: Mode) => void navigate({ search: (old) => ({ ...old, mode: next }), replace: true });
  const toggle = (name: keyof Links) => setLinks({ ...links, [name]: !links[name] });
  const go = (index: number) => void compare?.left.goTo(index);
  const isCt = text(images.left[0]?.instance ?? {}, 'Modality') === 'CT';
  useLooking('compare', { view: compare?.left, onTool: setTool, hasPresets: isCt });
  useKeys('compare', {
    next: () => go(slice + 1),
    previous: () => go(slice - 1),
    first: () => go(0),
    last: () => go(images.left.length - 1),
    mode: () => setMode(modes[(modes.indexOf(mode) + 1) % modes.length] as Mode),
    swipeLeft: () => setSwipe(Math.max(0, swipe - SWIPE_STEP)),
    swipeRight: () => setSwipe(Math.min(100, swipe + SWIPE_STEP)),
    linkSlice: () => toggle('slice'),
    linkCamera: () => toggle('camera'),
    linkWindow: () => toggle('window'),
  });

  return (
    <>
      {failure ? <Alert color="red">{failure}</Alert> : null}
      <Group gap="md">
        <SegmentedControl
          size="xs"
          aria-label={t('compare.mode')}
          data={modes.map((value) => ({ value, label: t(`compare.modes.${value}`) }))}
          value={mode}
          onChange={(value) => setMode(value as Mode)}
        />
        <Toolbar view={compare?.left} tools={tools} tool={tool} onTool={setTool} hasPresets={isCt} />
        {linkNames.map((name) => (
          <Checkbox
            key={name}
            size="xs"
            label={t(`compare.link.${name}`)}
            checked={links[name]}
            onChange={() => toggle(name)}
          />
        ))}
      </Group>
      <div
        className={classes.frame}
        data-mode={mode}
        data-testid="compare"
        data-slice={slice}
        data-drawn={Boolean(compare)}
      >
        <Side name="original" box={left} isHeld={false} />
        <Side
          name="processed"
          box={right}
          isHeld={isHeld || isHidden}
          clip={mode === 'swipe' ? `inset(0 0 0 ${swipe}%)` : undefined}
        />
        <Text pos="absolute" bottom={4} left={8} size="xs" c="#fff" style={{ pointerEvents: 'none' }}>
          {t('viewer.slice', { slice: slice + 1, count: images.left.length })}
        </Text>
        {mode === 'swipe' ? <Divider value={swipe} onChange={setSwipe} /> : null}
        {compare || failure ? null : <Loader pos="absolute" top="45%" left="48%" aria-label={t('app.loading')} />}
      </div>
    </>
  );
}

interface SideProps {
  name: 'original' | 'processed';
  box: RefObject<HTMLDivElement | null>;
  isHeld: boolean;
  clip?: string | undefined;
}

function Side({ name, box, isHeld, clip }: SideProps) {
  const { t } = useTranslation();

  return (
    <div
      className={classes.side}
      data-side={name}
      style={{ clipPath: clip, visibility: isHeld ? 'hidden' : undefined }}
    >
      <div
        ref={box}
        role="img"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of the comparison work on it
        tabIndex={0}
        aria-label={t(`compare.${name}`)}
        className={classes.view}
        onContextMenu={(event) => event.preventDefault()}
        data-testid={name}
      />
      <span className={classes.caption} aria-hidden>
        {t(`compare.${name}`)}
      </span>
    </div>
  );
}

/** The window of the original; the one of the address at the beginning. */
function useWindow(compare: Compare | undefined, first: Window | 0 | undefined): Window | undefined {
  const [window, setWindow] = useState<Window>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the window of the address counts once, at the beginning
  useEffect(() => {
    if (!compare) return;
    const controller = new AbortController();
    compare.left.onRendered(() => {
      const next = compare.left.window;
      setWindow((old) => (old?.center === next?.center && old?.width === next?.width ? old : next));
    }, controller.signal);
    if (first) compare.left.setWindow(first);
    return () => controller.abort();
  }, [compare]);
  return window;
}
