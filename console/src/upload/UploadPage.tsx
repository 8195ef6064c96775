// SPDX-License-Identifier: Apache-2.0
import { Button, Group, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useRef, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { type Column, VirtualTable } from '../app/VirtualTable';
import { type Found, fromDrop, fromInput } from './files';
import { countsOf, type FileRow, type Group as FolderGroup, groupRows } from './groups';
import { type Item, uploads } from './queue';

const signs: Record<Item['state'], string> = { waiting: '…', sending: '▶', stored: '✓', duplicate: '=', refused: '✕' };
type Row = FolderGroup | FileRow;

export function UploadPage() {
  const { t } = useTranslation();
  const items = useSyncExternalStore(uploads.subscribe, uploads.items);
  const counts = countsOf(items);
  const over = items.length - counts.waiting - counts.sending;
  useKeys('upload', { retry: () => uploads.retry(), clearList: () => uploads.clear() });

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
              {t('upload.summary', { over, all: items.length, ...counts })}
            </Text>
            <Group gap="xs">
              {counts.refused > 0 ? (
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
          <Files items={items} />
        </>
      ) : null}
    </Stack>
  );
}

function Files({ items }: { items: readonly Item[] }) {
  const { t } = useTranslation();
  const column = (
    key: string,
    width: string,
    group: (row: FolderGroup) => React.ReactNode,
    file: (row: FileRow) => React.ReactNode,
  ): Column<Row> => ({
    key,
    title: t(`upload.column.${key}`),
    width,
    cell: (row) => (row.kind === 'group' ? group(row) : file(row)),
  });

  return (
    <VirtualTable
      label={t('nav.upload')}
      rows={groupRows(items)}
      rowKey={(row) => (row.kind === 'group' ? `/${row.folder}` : String(row.item.id))}
      rowPx={32}
      hasMore={false}
      onEnd={() => undefined}
      columns={[
        column(
          'file',
          'minmax(200px, 2fr)',
          (row) => (
            <Text span size="sm" fw={700} data-testid="upload-folder-row">
              {row.folder ? `${row.folder}/` : t('upload.single')}
            </Text>
          ),
          (row) => <span style={{ paddingLeft: 16 }}>{row.name}</span>,
        ),
        column(
          'state',
          '190px',
          (row) =>
            row.study ? (
              <Link to="/studies/$study" params={{ study: row.study }}>
                {t('upload.openStudy')}
              </Link>
            ) : null,
          ({ item }) => (
            <span data-testid="upload-state" data-state={item.state}>
              <span aria-hidden>{signs[item.state]}</span> {t(`upload.state.${item.state}`)}
            </span>
          ),
        ),
        column(
          'reason',
          'minmax(240px, 3fr)',
          (row) => (
            <Text span size="sm" c="dimmed">
              {t('upload.folderSummary', {
                over: row.items.length - row.counts.waiting - row.counts.sending,
                all: row.items.length,
                ...row.counts,
              })}
            </Text>
          ),
          ({ item }) => (item.fault ? t(`upload.fault.${item.fault}`) : (item.reason ?? '')),
        ),
      ]}
    />
  );
}

function DropZone({ onFiles }: { onFiles: (found: Found[]) => void }) {
  const { t } = useTranslation();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  useKeys('upload', { files: () => files.current?.click(), folder: () => folder.current?.click() });
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
        <Text size="sm" c="dimmed">
          {t('upload.hint')}
        </Text>
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
