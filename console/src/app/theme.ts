// SPDX-License-Identifier: Apache-2.0
import { type CSSVariablesResolver, createTheme } from '@mantine/core';

/** These settings keep every contrast at 4.5 to 1 or more (WCAG 2.2, 1.4.3) in both schemes. */
export const theme = createTheme({
  primaryColor: 'cyan',
  primaryShade: { light: 8, dark: 9 },
  autoContrast: true,
  luminanceThreshold: 0.3,
  defaultRadius: 'sm',
  fontFamily: 'system-ui, sans-serif',
});

/** Dimmed words are still to be read: Mantine's own grey is too close to the background. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: { '--mantine-color-dimmed': '#5a5d63' },
  dark: { '--mantine-color-dimmed': '#a9adb3' },
});
