// SPDX-License-Identifier: Apache-2.0
// Every key of the console, once: pages bind what is listed here, and the sheet behind '?' shows it.
import { type HotkeyItem, useHotkeys } from '@mantine/hooks';
import { presets } from '../viewer/presets';

export type KeyScope = 'everywhere' | 'viewer' | 'compare' | 'job' | 'upload' | 'run' | 'operations' | 'jobs';

export interface KeyEntry {
  scope: KeyScope;
  action: string;
  /** As @mantine/hooks writes it; several do the same. */
  keys: readonly string[];
}

/** What the viewer and the comparison have in common. */
function looking<Scope extends 'viewer' | 'compare'>(scope: Scope) {
  return [
    { scope, action: 'invert', keys: ['I'] },
    { scope, action: 'reset', keys: ['R'] },
    { scope, action: 'window', keys: ['W'] },
    { scope, action: 'pan', keys: ['P'] },
    { scope, action: 'zoom', keys: ['Z'] },
    ...presets.map((preset) => ({ scope, action: preset.name, keys: [preset.key] })),
    { scope, action: 'darker', keys: ['.'] },
    { scope, action: 'brighter', keys: [','] },
    { scope, action: 'narrower', keys: ['N'] },
    { scope, action: 'wider', keys: ['M'] },
    { scope, action: 'panLeft', keys: ['shift+ArrowLeft'] },
    { scope, action: 'panRight', keys: ['shift+ArrowRight'] },
    { scope, action: 'panUp', keys: ['shift+ArrowUp'] },
    { scope, action: 'panDown', keys: ['shift+ArrowDown'] },
    { scope, action: 'hideOverlay', keys: ['H'] },
    { scope, action: 'fainter', keys: ['[', 'D'] },
    { scope, action: 'stronger', keys: [']', 'B'] },
  ] as const;
}

const table = [
  { scope: 'everywhere', action: 'palette', keys: ['mod+K'] },
  { scope: 'everywhere', action: 'help', keys: ['shift+?', '?'] },
  { scope: 'everywhere', action: 'goStudies', keys: ['shift+S'] },
  { scope: 'everywhere', action: 'goUpload', keys: ['shift+U'] },
  { scope: 'everywhere', action: 'goRun', keys: ['shift+R'] },
  { scope: 'everywhere', action: 'goJobs', keys: ['shift+J'] },
  { scope: 'everywhere', action: 'goOperations', keys: ['shift+O'] },
  { scope: 'everywhere', action: 'client', keys: ['shift+C'] },
  { scope: 'viewer', action: 'next', keys: ['ArrowDown', 'ArrowRight'] },
  { scope: 'viewer', action: 'previous', keys: ['ArrowUp', 'ArrowLeft'] },
  { scope: 'viewer', action: 'tenOn', keys: ['PageDown'] },
  { scope: 'viewer', action: 'tenBack', keys: ['PageUp'] },
  { scope: 'viewer', action: 'first', keys: ['Home'] },
  { scope: 'viewer', action: 'last', keys: ['End'] },
  { scope: 'viewer', action: 'zoomIn', keys: ['[plus]', 'shift+[plus]', '='] },
  { scope: 'viewer', action: 'zoomOut', keys: ['-'] },
  ...looking('viewer'),
  { scope: 'viewer', action: 'length', keys: ['L'] },
  { scope: 'viewer', action: 'probe', keys: ['U'] },
  { scope: 'viewer', action: 'crossLeft', keys: ['ctrl+ArrowLeft', 'ctrl+shift+ArrowLeft'] },
  { scope: 'viewer', action: 'crossRight', keys: ['ctrl+ArrowRight', 'ctrl+shift+ArrowRight'] },
  { scope: 'viewer', action: 'crossUp', keys: ['ctrl+ArrowUp', 'ctrl+shift+ArrowUp'] },
  { scope: 'viewer', action: 'crossDown', keys: ['ctrl+ArrowDown', 'ctrl+shift+ArrowDown'] },
  { scope: 'viewer', action: 'mark', keys: ['Enter'] },
  { scope: 'viewer', action: 'clear', keys: ['Delete', 'Backspace'] },
  { scope: 'viewer', action: 'nextOverlay', keys: ['O'] },
  { scope: 'compare', action: 'next', keys: ['ArrowDown', 'ArrowRight'] },
  { scope: 'compare', action: 'previous', keys: ['ArrowUp', 'ArrowLeft'] },
  { scope: 'compare', action: 'first', keys: ['Home'] },
  { scope: 'compare', action: 'last', keys: ['End'] },
  { scope: 'compare', action: 'zoomIn', keys: ['[plus]', 'shift+[plus]', '='] },
  { scope: 'compare', action: 'zoomOut', keys: ['-'] },
  ...looking('compare'),
  { scope: 'compare', action: 'mode', keys: ['V'] },
  { scope: 'compare', action: 'flicker', keys: ['F'] },
  { scope: 'compare', action: 'swipeLeft', keys: ['J'] },
  { scope: 'compare', action: 'swipeRight', keys: ['K'] },
  { scope: 'compare', action: 'linkSlice', keys: ['S'] },
  { scope: 'compare', action: 'linkCamera', keys: ['C'] },
  { scope: 'compare', action: 'linkWindow', keys: ['X'] },
  { scope: 'job', action: 'compare', keys: ['O'] },
  { scope: 'job', action: 'again', keys: ['A'] },
  { scope: 'job', action: 'changed', keys: ['E'] },
  { scope: 'job', action: 'cancel', keys: ['X'] },
  { scope: 'run', action: 'start', keys: ['mod+Enter'] },
  { scope: 'jobs', action: 'find', keys: ['/'] },
  { scope: 'jobs', action: 'all', keys: ['L'] },
  { scope: 'operations', action: 'dead', keys: ['D'] },
  { scope: 'upload', action: 'files', keys: ['F'] },
  { scope: 'upload', action: 'folder', keys: ['D'] },
  { scope: 'upload', action: 'retry', keys: ['T'] },
  { scope: 'upload', action: 'clearList', keys: ['X'] },
] as const satisfies readonly KeyEntry[];

export const keyTable: readonly KeyEntry[] = table;

type Entry = (typeof table)[number];
export type ActionOf<Scope extends KeyScope> = Extract<Entry, { scope: Scope }>['action'];

const typed = new Set(['text', 'search', 'password', 'date', 'email', 'number', 'tel', 'url']);
const moves = new Set(['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'PageUp', 'PageDown', 'Home', 'End']);

/**
 * Whether what has the focus wants the key for itself: a field what is typed, a slider or a list the arrows, a button
 * the Enter key, and a dialog everything.
 */
export function isTaken(event: KeyboardEvent): boolean {
  const { target, key } = event;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest('textarea, select, [role="dialog"]')) return true;
  if (target instanceof HTMLInputElement && typed.has(target.type)) return true;
  if (key === 'Enter') return target.closest('button, a, input') !== null;
  return moves.has(key) && target.closest('[role="slider"], [type="radio"], [data-scrolls]') !== null;
}

/** Bind the keys of a scope; an action without a handler does nothing. */
export function useKeys<Scope extends KeyScope>(
  scope: Scope,
  handlers: Partial<Record<ActionOf<Scope>, (event: KeyboardEvent) => void>>,
): void {
  const bound = keyTable
    .filter((entry) => entry.scope === scope)
    .flatMap((entry): HotkeyItem[] => {
      const handler = handlers[entry.action as ActionOf<Scope>];
      if (!handler) return [];
      return entry.keys.map((key) => [
        key,
        (event) => {
          if (!key.startsWith('mod+') && isTaken(event)) return; // those with Ctrl type nothing
          event.preventDefault();
          handler(event);
        },
        { preventDefault: false },
      ]);
    });
  useHotkeys(bound, []);
}
