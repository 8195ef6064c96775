// SPDX-License-Identifier: Apache-2.0
// Every key of the console, once: pages bind what is listed here, and the sheet behind '?' shows it.
import { type HotkeyItem, useHotkeys } from '@mantine/hooks';
import { presets } from '../viewer/presets';

export type KeyScope = 'everywhere' | 'viewer' | 'compare' | 'job';

export interface KeyEntry {
  scope: KeyScope;
  action: string;
  /** As @mantine/hooks writes it; several do the same. */
  keys: string[];
}

const table = [
  { scope: 'everywhere', action: 'palette', keys: ['mod+K'] },
  { scope: 'everywhere', action: 'help', keys: ['shift+?', '?'] },
  { scope: 'viewer', action: 'next', keys: ['ArrowDown', 'ArrowRight'] },
  { scope: 'viewer', action: 'previous', keys: ['ArrowUp', 'ArrowLeft'] },
  { scope: 'viewer', action: 'tenOn', keys: ['PageDown'] },
  { scope: 'viewer', action: 'tenBack', keys: ['PageUp'] },
  { scope: 'viewer', action: 'first', keys: ['Home'] },
  { scope: 'viewer', action: 'last', keys: ['End'] },
  { scope: 'viewer', action: 'zoomIn', keys: ['+', '=', 'shift++'] },
  { scope: 'viewer', action: 'zoomOut', keys: ['-'] },
  { scope: 'viewer', action: 'invert', keys: ['I'] },
  { scope: 'viewer', action: 'reset', keys: ['R'] },
  { scope: 'viewer', action: 'window', keys: ['W'] },
  { scope: 'viewer', action: 'pan', keys: ['P'] },
  { scope: 'viewer', action: 'zoom', keys: ['Z'] },
  { scope: 'viewer', action: 'length', keys: ['L'] },
  { scope: 'viewer', action: 'probe', keys: ['U'] },
  ...presets.map((preset) => ({ scope: 'viewer' as const, action: preset.name, keys: [preset.key] })),
  { scope: 'compare', action: 'next', keys: ['ArrowDown', 'ArrowRight'] },
  { scope: 'compare', action: 'previous', keys: ['ArrowUp', 'ArrowLeft'] },
  { scope: 'compare', action: 'first', keys: ['Home'] },
  { scope: 'compare', action: 'last', keys: ['End'] },
  { scope: 'compare', action: 'zoomIn', keys: ['+', '=', 'shift++'] },
  { scope: 'compare', action: 'zoomOut', keys: ['-'] },
  { scope: 'compare', action: 'reset', keys: ['R'] },
  { scope: 'compare', action: 'flicker', keys: ['F'] },
  { scope: 'compare', action: 'hideOverlay', keys: ['H'] },
  { scope: 'compare', action: 'fainter', keys: ['['] },
  { scope: 'compare', action: 'stronger', keys: [']'] },
  { scope: 'job', action: 'compare', keys: ['O'] },
  { scope: 'job', action: 'again', keys: ['A'] },
  { scope: 'job', action: 'changed', keys: ['E'] },
  { scope: 'job', action: 'cancel', keys: ['X'] },
] as const satisfies readonly KeyEntry[];

export const keyTable: readonly KeyEntry[] = table;

type Entry = (typeof table)[number];
export type ActionOf<Scope extends KeyScope> = Extract<Entry, { scope: Scope }>['action'];

/** Bind the keys of a scope; an action without a handler does nothing. */
export function useKeys<Scope extends KeyScope>(
  scope: Scope,
  handlers: Partial<Record<ActionOf<Scope>, () => void>>,
): void {
  const bound = keyTable
    .filter((entry) => entry.scope === scope)
    .flatMap((entry): HotkeyItem[] => {
      const handler = handlers[entry.action as ActionOf<Scope>];
      return handler ? entry.keys.map((key) => [key, () => handler()]) : [];
    });
  useHotkeys(bound.filter(([key]) => !key.startsWith('mod+')));
  useHotkeys(
    bound.filter(([key]) => key.startsWith('mod+')),
    [],
  ); // these type nothing: they work in fields as well
}
