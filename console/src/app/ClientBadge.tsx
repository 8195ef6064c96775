// SPDX-License-Identifier: Apache-2.0
import { Button, Code, CopyButton, Popover, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { renewClientId, useClientId } from '../api/client-id';

/** Who gets the results: shown, copied, renewed. */
export function ClientBadge() {
  const { t } = useTranslation();
  const id = useClientId();

  return (
    <Popover withArrow>
      <Popover.Target>
        <Button size="compact-xs" variant="default" data-testid="client">
          {t('client.label')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          <Text size="sm">{t('client.what')}</Text>
          <Code data-testid="client-id">{id ?? '…'}</Code>
          <CopyButton value={id ?? ''}>
            {({ copied, copy }) => (
              <Button size="compact-xs" variant="default" onClick={copy}>
                {t(copied ? 'client.copied' : 'client.copy')}
              </Button>
            )}
          </CopyButton>
          <Button size="compact-xs" variant="default" onClick={() => void renewClientId()}>
            {t('client.renew')}
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
