// SPDX-License-Identifier: Apache-2.0
import { Alert, Loader, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { metadata } from '../dicomweb/client';
import { type Entry, entriesOf, titleOf } from './report';

interface Props {
  study: string;
  series: string;
}

/** The structured reports of a series, in words; a series without any is nothing to see. */
export function Report({ study, series }: Props) {
  const { t, i18n } = useTranslation();
  const { data, error } = useQuery({
    queryKey: ['report', study, series],
    queryFn: ({ signal }) => metadata({ study, series }, signal),
  });
  const number = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 2 });

  if (error) return <Alert color="red">{error.message}</Alert>;
  if (!data) return <Loader aria-label={t('app.loading')} />;
  const reports = data.filter((header) => header['0040A730']);
  if (reports.length === 0) return <Alert>{t('viewer.noPixels')}</Alert>;
  return reports.map((header) => (
    <article key={String(header['00080018']?.Value?.[0])} data-testid="report">
      <Title order={1} size="h4">
        {titleOf(header)}
      </Title>
      <Entries entries={entriesOf(header, (value) => number.format(value))} />
    </article>
  ));
}

function Entries({ entries }: { entries: Entry[] }) {
  return (
    <ul>
      {entries.map((entry, index) => (
        <li key={index}>
          <Text span size="sm" c="dimmed">
            {entry.name}
            {entry.value ? ': ' : ''}
          </Text>
          <Text span size="sm" fw={entry.isMeasured ? 700 : undefined}>
            {entry.value}
          </Text>
          {entry.entries.length > 0 ? <Entries entries={entry.entries} /> : null}
        </li>
      ))}
    </ul>
  );
}
