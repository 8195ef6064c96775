// SPDX-License-Identifier: Apache-2.0
// What can be done with an image, as buttons; the same things have keys (useLooking).
import { Button, Group } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import type { ToolName, View } from './engine';
import { presets } from './presets';

const SHIFT_PX = 40;
const LEVEL_STEP = 0.05; // of the width
const WIDTH_STEP = 1.1;

interface Props {
  view: View | undefined;
  tools: readonly ToolName[];
  tool: ToolName;
  onTool: (tool: ToolName) => void;
  /** Windows by name are for values in HU. */
  hasPresets: boolean;
  children?: ReactNode;
}

export function Toolbar({ view, tools, tool, onTool, hasPresets, children }: Props) {
  const { t } = useTranslation();

  return (
    <Group gap="xs" role="toolbar" aria-label={t('viewer.tools')}>
      <Button.Group>
        {tools.map((name) => (
          <Button
            key={name}
            size="compact-xs"
            variant={tool === name ? 'filled' : 'default'}
            aria-pressed={tool === name}
            onClick={() => onTool(name)}
          >
            {t(`viewer.tool.${name}`)}
          </Button>
        ))}
      </Button.Group>
      {hasPresets ? (
        <Button.Group aria-label={t('viewer.presets')}>
          {presets.map((preset) => (
            <Button key={preset.name} size="compact-xs" variant="default" onClick={() => view?.setWindow(preset)}>
              {t(`viewer.preset.${preset.name}`)}
            </Button>
          ))}
        </Button.Group>
      ) : null}
      <Button size="compact-xs" variant="default" onClick={() => view?.invert()}>
        {t('viewer.invert')}
      </Button>
      <Button size="compact-xs" variant="default" onClick={() => view?.reset()}>
        {t('viewer.reset')}
      </Button>
      {children}
    </Group>
  );
}

/** The keys that the viewer and the comparison have in common. */
export function useLooking(
  scope: 'viewer' | 'compare',
  { view, onTool, hasPresets }: Pick<Props, 'view' | 'onTool' | 'hasPresets'>,
): void {
  const byName = hasPresets
    ? Object.fromEntries(presets.map((preset) => [preset.name, () => view?.setWindow(preset)]))
    : {};
  useKeys(scope, {
    zoomIn: () => view?.zoomBy(1.2),
    zoomOut: () => view?.zoomBy(1 / 1.2),
    invert: () => view?.invert(),
    reset: () => view?.reset(),
    window: () => onTool('window'),
    pan: () => onTool('pan'),
    zoom: () => onTool('zoom'),
    brighter: () => view?.windowBy(-LEVEL_STEP, 1),
    darker: () => view?.windowBy(LEVEL_STEP, 1),
    narrower: () => view?.windowBy(0, 1 / WIDTH_STEP),
    wider: () => view?.windowBy(0, WIDTH_STEP),
    panLeft: () => view?.panBy(-SHIFT_PX, 0),
    panRight: () => view?.panBy(SHIFT_PX, 0),
    panUp: () => view?.panBy(0, -SHIFT_PX),
    panDown: () => view?.panBy(0, SHIFT_PX),
    ...byName,
  });
}
