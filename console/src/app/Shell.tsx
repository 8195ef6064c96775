// SPDX-License-Identifier: Apache-2.0
import { AppShell, Group, NativeSelect, Text, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { languages } from '../i18n';
import { ConnectionBadge } from '../live/ConnectionBadge';
import { ResultToasts } from '../live/ResultToasts';
import { UploadProgress } from '../upload/UploadProgress';
import { ClientBadge } from './ClientBadge';
import { KeySheet } from './KeySheet';
import { useKeys } from './keys';
import { Palette } from './Palette';
import classes from './Shell.module.css';
import { TokenGate } from './TokenGate';

const pages = [
  { to: '/', label: 'nav.studies' },
  { to: '/upload', label: 'nav.upload' },
  { to: '/run', label: 'nav.run' },
  { to: '/jobs', label: 'nav.jobs' },
  { to: '/operations', label: 'nav.operations' },
] as const;

/** The frame around every page. */
export function Shell() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [isHelpOpen, help] = useDisclosure(false);
  const [isPaletteOpen, palette] = useDisclosure(false);
  const [isClientOpen, client] = useDisclosure(false);
  const navigate = useNavigate();
  const go = (to: (typeof pages)[number]['to']) => () => void navigate({ to });
  useKeys('everywhere', {
    help: help.open,
    palette: palette.open,
    goStudies: go('/'),
    goUpload: go('/upload'),
    goRun: go('/run'),
    goJobs: go('/jobs'),
    goOperations: go('/operations'),
    client: client.toggle,
  });

  return (
    <AppShell header={{ height: 48 }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="lg" wrap="nowrap">
            <Text fw={700}>{t('app.title')}</Text>
            <nav aria-label={t('nav.label')}>
              <Group gap="md">
                {pages.map((page) => (
                  <Link key={page.to} to={page.to} className={classes.page}>
                    {t(page.label)}
                    {page.to === '/upload' ? <UploadProgress /> : null}
                  </Link>
                ))}
              </Group>
            </nav>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <ConnectionBadge />
            <ClientBadge isOpen={isClientOpen} onChange={(isOpen) => (isOpen ? client.open() : client.close())} />
            <NativeSelect
              size="xs"
              aria-label={t('app.language')}
              value={i18n.language}
              data={[...languages]}
              onChange={(event) => void i18n.changeLanguage(event.currentTarget.value)}
            />
            <NativeSelect
              size="xs"
              aria-label={t('app.theme')}
              value={colorScheme}
              data={['dark', 'light', 'auto']}
              onChange={(event) => setColorScheme(event.currentTarget.value as 'dark' | 'light' | 'auto')}
            />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Main id="content">
        <ResultToasts />
        <TokenGate />
        <KeySheet isOpen={isHelpOpen} onClose={help.close} />
        <Palette isOpen={isPaletteOpen} onClose={palette.close} onHelp={help.open} onClient={client.open} />
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}
