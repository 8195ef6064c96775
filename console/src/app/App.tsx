// SPDX-License-Identifier: Apache-2.0
import './links.css';
import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import { MantineProvider, type MantineThemeOverride } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { LiveProvider } from '../live/LiveProvider';
import { router } from './routes';
import { cssVariables, theme } from './theme';

const queryClient = new QueryClient({
  defaultOptions: { queries: { staleTime: 5_000, retry: 1, refetchOnWindowFocus: false } },
});

export function App() {
  const { t } = useTranslation();
  const named = useMemo((): MantineThemeOverride => {
    const components = { ...theme.components, CloseButton: { defaultProps: { 'aria-label': t('app.close') } } };
    return { ...theme, components };
  }, [t]);

  return (
    <MantineProvider theme={named} cssVariablesResolver={cssVariables} defaultColorScheme="dark">
      <QueryClientProvider client={queryClient}>
        <Notifications position="bottom-right" limit={6} />
        <LiveProvider>
          <RouterProvider router={router} />
        </LiveProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}
