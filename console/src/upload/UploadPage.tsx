// SPDX-License-Identifier: Apache-2.0
import { Button, Group, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { useRef, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { type Column, VirtualTable } from '../app/VirtualTable';
import { type Found, fromDrop, fromInput } from './files';
import { type Item, uploads } from './queue';

const signs: Record<Item['state'], string> = { waiting: '…', sending: '▶', stored: '✓', duplicate: '=', refused: '✕' };

export function UploadPage() {
  const { t } = useTranslation();
  const items = useSyncExternalStore(uploads.subscribe, uploads.items);
  const count = (state: Item['state']) => items.filter((item) => item.state === state).length;
  const over = items.length - count('waiting') - count('sending');
  const column = (key: string, width: string, cell: Column<Item>['cell']): Column<Item> => ({
    key,
    title: t(`upload.column.${key}`),
    width,
    cell,
  });

  return (
    <Stack>
      <Title order={1} size="h3">
        {t('nav.upload')}
      </Title>
      <DropZone onFiles={(found) => uploads.add(found)} />
      {items.length > 0 ? (
        <>
          <Group justify="space-between">
            <Text size="sm" aria-live="polite" data-testid="upload-summary">
              {t('upload.summary', { over, all: items.length, stored: count('stored'), refused: count('refused') })}
            </Text>
            <Group gap="xs">
              {count('refused') > 0 ? (
                <Button size="compact-sm" variant="default" onClick={() => uploads.retry()}>
                  {t('upload.retry')}
                </Button>
              ) : null}
              <Button size="compact-sm" variant="default" onClick={() => uploads.clear()}>
                {t('upload.clear')}
              </Button>
            </Group>
          </Group>
          <Progress value={(100 * over) / items.length} aria-label={t('nav.upload')} />
          <VirtualTable
            label={t('nav.upload')}
            rows={[...items]}
            rowKey={(item) => String(item.id)}
            rowPx={32}
            hasMore={false}
            onEnd={() => undefined}
            columns={[
              column('file', 'minmax(200px, 2fr)', (item) => item.path),
              column('state', '120px', (item) => (
                <span data-testid="upload-state">
                  <span aria-hidden>{signs[item.state]}</span> {t(`upload.state.${item.state}`)}
                </span>
              )),
              column('reason', 'minmax(200px, 3fr)', (item) => item.reason ?? ''),
            ]}
          />
        </>
      ) : null}
    </Stack>
  );
}

function DropZone({ onFiles }: { onFiles: (found: Found[]) => void }) {
  const { t } = useTranslation();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const take = (input: HTMLInputElement) => {
    if (input.files) onFiles(fromInput(input.files));
    input.value = '';
  };

  return (
    <Paper
      withBorder
      p="xl"
      style={{ borderStyle: 'dashed', outline: isOver ? '2px solid var(--mantine-primary-color-filled)' : undefined }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void fromDrop(event.dataTransfer).then(onFiles);
      }}
      data-testid="drop-zone"
    >
      <Stack align="center">
        <Text>{t('upload.drop')}</Text>
        <Group>
          <Button onClick={() => files.current?.click()}>{t('upload.files')}</Button>
          <Button variant="default" onClick={() => folder.current?.click()}>
            {t('upload.folder')}
          </Button>
        </Group>
        <input
          ref={files}
          type="file"
          multiple
          hidden
          data-testid="upload-files"
          onChange={(event) => take(event.currentTarget)}
        />
        <input
          ref={(input) => {
            input?.setAttribute('webkitdirectory', '');
            folder.current = input;
          }}
          type="file"
          multiple
          hidden
          data-testid="upload-folder"
          onChange={(event) => take(event.currentTarget)}
        />
      </Stack>
    </Paper>
  );
}
