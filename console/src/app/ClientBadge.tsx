// SPDX-License-Identifier: Apache-2.0
import { Alert, Button, Code, CopyButton, Group, Popover, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { adoptClientId, renewClientId, useClientId } from '../api/client-id';

/** Who gets the results: shown, copied, renewed, or another one that there is already. */
export function ClientBadge({ isOpen, onChange }: { isOpen: boolean; onChange: (isOpen: boolean) => void }) {
  const { t } = useTranslation();
  const id = useClientId();

  return (
    <Popover withArrow trapFocus opened={isOpen} onChange={onChange}>
      <Popover.Target>
        <Button size="compact-xs" variant="default" onClick={() => onChange(!isOpen)} data-testid="client">
          {t('client.label')}
          {id ? (
            <Text span size="xs" c="dimmed" ff="monospace" ml={6}>
              {id.length > 9 ? `${id.slice(0, 8)}…` : id}
            </Text>
          ) : null}
        </Button>
      </Popover.Target>
      <Popover.Dropdown maw={380} aria-label={t('client.title')}>
        <Client id={id} />
      </Popover.Dropdown>
    </Popover>
  );
}

function Client({ id }: { id: string | null }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const renew = useMutation({ mutationFn: renewClientId });
  const adopt = useMutation({
    mutationFn: adoptClientId,
    onSuccess: (isTaken) => {
      if (isTaken) setTyped('');
    },
  });
  const error = renew.error ?? adopt.error;

  return (
    <Stack gap="xs">
      <Text size="sm">{t('client.what')}</Text>
      <Code data-testid="client-id">{id ?? '…'}</Code>
      <Group gap="xs">
        <CopyButton value={id ?? ''}>
          {({ copied, copy }) => (
            <Button size="compact-xs" variant="default" onClick={copy}>
              {t(copied ? 'client.copied' : 'client.copy')}
            </Button>
          )}
        </CopyButton>
        <Button size="compact-xs" variant="default" loading={renew.isPending} onClick={() => renew.mutate()}>
          {t('client.renew')}
        </Button>
      </Group>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          adopt.mutate(typed.trim());
        }}
      >
        <Group align="end" gap="xs" wrap="nowrap">
          <TextInput
            size="xs"
            flex={1}
            label={t('client.other')}
            description={t('client.otherHint')}
            value={typed}
            onChange={(event) => {
              setTyped(event.currentTarget.value);
              adopt.reset();
            }}
            error={adopt.data === false ? t('client.illegal') : undefined}
            data-testid="client-other"
          />
          <Button type="submit" size="xs" variant="default" disabled={!typed.trim()} loading={adopt.isPending}>
            {t('client.use')}
          </Button>
        </Group>
      </form>
      {error ? <Alert color="red">{error.message}</Alert> : null}
    </Stack>
  );
}
