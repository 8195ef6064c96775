// SPDX-License-Identifier: Apache-2.0
// A server with a token asks for it once per tab.
import { Button, Modal, PasswordInput, Stack, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, token } from '../api/http';

export function TokenGate() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [isAsked, setAsked] = useState(false);
  const [value, setValue] = useState('');

  useEffect(
    () =>
      queries.getQueryCache().subscribe((event) => {
        const error = event.query.state.error;
        if (error instanceof ApiError && error.status === 401) setAsked(true);
      }),
    [queries],
  );
  return (
    <Modal
      opened={isAsked}
      onClose={() => setAsked(false)}
      title={t('token.title')}
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          token.set(value.trim());
          location.reload();
        }}
      >
        <Stack>
          <Text size="sm">{t('token.what')}</Text>
          <PasswordInput
            label={t('token.label')}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
          />
          <Button type="submit" disabled={!value.trim()}>
            {t('token.use')}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
