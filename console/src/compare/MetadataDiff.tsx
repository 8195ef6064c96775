// SPDX-License-Identifier: Apache-2.0
import { Button, Checkbox, Group, Loader, Table, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { metadata, type Uids } from '../dicomweb/client';
import { compare, matching, type Row } from './diff';

interface Props {
  left: Uids;
  right: Uids;
}

const marks: Record<Row['verdict'], { sign: string; color?: string }> = {
  same: { sign: '=' },
  expected: { sign: '≠', color: 'dimmed' },
  unexpected: { sign: '⚠', color: 'red' },
};

const csv = (rows: Row[]) =>
  [['tag', 'name', 'original', 'processed'], ...rows.map((row) => [row.tag, row.name, row.left, row.right])]
    .map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(','))
    .join('\r\n');

/** The headers of both images: what differs, searchable, to copy. */
export function MetadataDiff({ left, right }: Props) {
  const { t } = useTranslation();
  const [word, setWord] = useState('');
  const [isShort, setShort] = useState(false);
  const { data, error } = useQuery({
    queryKey: ['diff', left, right],
    queryFn: async ({ signal }) => {
      const [one, other] = await Promise.all([metadata(left, signal), metadata(right, signal)]);
      return compare(one[0] ?? {}, other[0] ?? {});
    },
  });

  if (error) return <Text c="red">{error.message}</Text>;
  if (!data) return <Loader aria-label={t('app.loading')} />;
  const rows = matching(isShort ? data.filter((row) => row.verdict !== 'same') : data, word);
  return (
    <div>
      <Group align="end" mb="xs">
        <TextInput
          size="xs"
          label={t('compare.search')}
          value={word}
          onChange={(event) => setWord(event.currentTarget.value)}
        />
        <Checkbox
          size="xs"
          label={t('compare.onlyDifferences')}
          checked={isShort}
          onChange={(event) => setShort(event.currentTarget.checked)}
        />
        <Button size="compact-xs" variant="default" onClick={() => void navigator.clipboard?.writeText(csv(rows))}>
          {t('compare.copy')}
        </Button>
      </Group>
      <Table.ScrollContainer
        type="native"
        minWidth={600}
        mah={400}
        style={{ overflow: 'auto' }}
        tabIndex={0}
        role="region"
        aria-label={t('compare.headers')}
      >
        <Table stickyHeader data-testid="metadata">
          <Table.Thead>
            <Table.Tr>
              {(['tag', 'name', 'original', 'processed', 'difference'] as const).map((name) => (
                <Table.Th key={name}>{t(`compare.column.${name}`)}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.tag} data-verdict={row.verdict}>
                <Table.Td ff="monospace">{row.tag}</Table.Td>
                <Table.Td>{row.name}</Table.Td>
                <Table.Td>{row.left}</Table.Td>
                <Table.Td fw={row.verdict === 'same' ? undefined : 700}>{row.right}</Table.Td>
                <Table.Td>
                  <Text size="sm" c={marks[row.verdict].color}>
                    <span aria-hidden>{marks[row.verdict].sign}</span> {t(`compare.verdict.${row.verdict}`)}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </div>
  );
}
