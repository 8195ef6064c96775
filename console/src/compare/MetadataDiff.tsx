// SPDX-License-Identifier: Apache-2.0
import { Button, Group, Loader, SegmentedControl, Table, Text, TextInput, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { metadata, type Uids } from '../dicomweb/client';
import { compare, firstTags, matching, type Row, withParents, written } from './diff';
import classes from './MetadataDiff.module.css';

interface Props {
  left: Uids;
  right: Uids;
}

const signs: Record<Row['verdict'], string> = { same: '=', expected: '≠', changed: '≠', unexpected: '⚠' };
const filters = {
  all: () => true,
  different: (row: Row) => row.verdict !== 'same',
  unexpected: (row: Row) => row.verdict === 'unexpected',
};
type Filter = keyof typeof filters;

const csv = (rows: Row[]) =>
  [['tag', 'name', 'original', 'processed'], ...rows.map((row) => [written(row.tag), row.name, row.left, row.right])]
    .map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(','))
    .join('\r\n');

/** The headers of both images: what differs, searchable, to copy. */
export function MetadataDiff({ left, right }: Props) {
  const { t } = useTranslation();
  const [word, setWord] = useState('');
  const [filter, setFilter] = useState<Filter>('all');
  const { data, error } = useQuery({
    queryKey: ['diff', left, right],
    queryFn: async ({ signal }) => {
      const [one, other, { default: names }] = await Promise.all([
        metadata(left, signal),
        metadata(right, signal),
        import('./names.json'),
      ]);
      return compare(one[0] ?? {}, other[0] ?? {}, names);
    },
    placeholderData: (old) => old,
  });

  if (error) return <Text c="red">{error.message}</Text>;
  if (!data) return <Loader aria-label={t('app.loading')} />;
  const rows = matching(withParents(data, data.filter(filters[filter])), word);
  const count = (one: Filter) => data.filter(filters[one]).length;
  return (
    <section aria-labelledby="headers">
      <Title order={2} size="h5" id="headers" mb="xs">
        {t('compare.headers')}
      </Title>
      <Group align="end" mb="xs">
        <TextInput
          size="xs"
          label={t('compare.search')}
          value={word}
          onChange={(event) => setWord(event.currentTarget.value)}
        />
        <SegmentedControl
          size="xs"
          aria-label={t('compare.filter.label')}
          value={filter}
          onChange={(value) => setFilter(value as Filter)}
          data={(['all', 'different', 'unexpected'] as const).map((value) => ({
            value,
            label: `${t(`compare.filter.${value}`)} (${count(value)})`,
          }))}
        />
        <Button size="compact-xs" variant="default" onClick={() => void navigator.clipboard?.writeText(csv(rows))}>
          {t('compare.copy')}
        </Button>
      </Group>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls takes the focus, so that keys can scroll it */}
      <section className={classes.scroller} tabIndex={0} aria-label={t('compare.headers')} data-scrolls>
        <Table stickyHeader data-testid="metadata">
          <Table.Thead>
            <Table.Tr>
              {(['tag', 'name', 'original', 'processed', 'difference'] as const).map((name) => (
                <Table.Th key={name}>{t(`compare.column.${name}`)}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row, index) => (
              <DiffRow key={row.tag} row={row} isLastOfFirst={isFirst(row) && !isFirst(rows[index + 1])} />
            ))}
          </Table.Tbody>
        </Table>
      </section>
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed" mt="xs">
          {t('compare.noRow')}
        </Text>
      ) : null}
    </section>
  );
}

const isFirst = (row: Row | undefined) => row !== undefined && firstTags.includes(row.tag);

function DiffRow({ row, isLastOfFirst }: { row: Row; isLastOfFirst: boolean }) {
  const { t } = useTranslation();
  const depth = row.tag.split('.').length - 1;

  return (
    <Table.Tr data-tag={row.tag} data-verdict={row.verdict} data-first={isLastOfFirst ? 'last' : undefined}>
      <Table.Td ff="monospace" fz="xs" pl={8 + 12 * depth}>
        {written(row.tag)}
      </Table.Td>
      <Table.Td>{row.name || <Text size="sm">{t('compare.private')}</Text>}</Table.Td>
      <Table.Td>{row.left}</Table.Td>
      <Table.Td>{row.right}</Table.Td>
      <Table.Td style={{ whiteSpace: 'nowrap' }}>
        <span aria-hidden>{signs[row.verdict]}</span> {t(`compare.verdict.${row.verdict}`)}
      </Table.Td>
    </Table.Tr>
  );
}
