// SPDX-License-Identifier: Apache-2.0
import { Badge } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { countsOf } from './groups';
import { uploads } from './queue';

/** Beside the way to the page of uploads: how far they are, while they go on. */
export function UploadProgress() {
  const { t } = useTranslation();
  const items = useSyncExternalStore(uploads.subscribe, uploads.items);
  const { waiting, sending } = countsOf(items);
  const over = items.length - waiting - sending;

  if (over === items.length) return null;
  return (
    <Badge
      size="xs"
      variant="light"
      ml={6}
      aria-label={t('upload.running', { over, all: items.length })}
      data-testid="upload-running"
    >
      {over}/{items.length}
    </Badge>
  );
}
