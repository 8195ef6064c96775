// SPDX-License-Identifier: Apache-2.0
import { type CSSVariablesResolver, createTheme } from '@mantine/core';

/** These settings keep every contrast at 4.5 to 1 or more (WCAG 2.2, 1.4.3) in both schemes. */
export const theme = createTheme({
  respectReducedMotion: true,
  primaryColor: 'cyan',
  primaryShade: 9,
  autoContrast: true,
  luminanceThreshold: 0.3,
  defaultRadius: 'sm',
  fontFamily: 'system-ui, sans-serif',
  components: { Loader: { defaultProps: { role: 'status' } } }, // else its label is not allowed
});

/** The words of pale badges on a light page, two steps darker than Mantine's. */
const darkWords = Object.fromEntries(
  Object.entries({
    teal: '#04573f',
    yellow: '#6b4300',
    gray: '#3d4248',
    blue: '#0f4c81',
    red: '#8f1d1d',
    orange: '#8a3300',
  }).map(([name, color]) => [`--mantine-color-${name}-light-color`, color]),
);

/** Backgrounds of what differs between two headers, and must not. */
const verdicts = (changed: string, wrong: string, text: string) => ({
  '--corsia-changed': changed,
  '--corsia-wrong': wrong,
  '--corsia-wrong-text': text,
});

/** Dimmed words are still to be read: Mantine's own grey is too close to the background. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5a5d63',
    '--mantine-color-anchor': '#0b5a6b',
    '--mantine-color-error': '#b42318',
    ...darkWords,
    ...verdicts('#fff3bf', '#ffe3e3', '#7a0c0c'),
  },
  dark: {
    '--mantine-color-dimmed': '#a9adb3',
    '--mantine-color-error': '#ff8787',
    ...verdicts('#4a3c08', '#5c1414', '#ffd9d9'),
  },
});
