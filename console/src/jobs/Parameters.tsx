// SPDX-License-Identifier: Apache-2.0
import { Badge, Table, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Algorithm, Job } from '../api/schema';
import type { Params, ParamsSchema } from '../run/schema';
import { parameterRows } from './parameters';

interface Props {
  job: Job;
  algorithm: Algorithm | undefined;
  /** The run that this one repeats. */
  earlier: Job | undefined;
}

/** What the job was given, and what of it the run before had otherwise. */
export function Parameters({ job, algorithm, earlier }: Props) {
  const { t, i18n } = useTranslation();
  const rows = parameterRows(
    algorithm?.params_schema as ParamsSchema | undefined,
    (job.params ?? {}) as Params,
    earlier && ((earlier.params ?? {}) as Params),
    i18n.language,
  );
  const said = (value: unknown, unit: string) => {
    if (value === undefined) return '–';
    const words =
      typeof value === 'number'
        ? new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 6 }).format(value)
        : typeof value === 'object'
          ? JSON.stringify(value)
          : String(value);
    return unit ? `${words} ${unit}` : words;
  };

  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="parameters" style={{ maxWidth: 820 }}>
      <Title order={2} size="h5" id="parameters">
        {t('jobs.parameters')}
      </Title>
      <Table.ScrollContainer type="native" minWidth={320} tabIndex={0} role="region" aria-labelledby="parameters">
        <Table verticalSpacing={2} data-testid="parameters">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('jobs.parameter.name')}</Table.Th>
              <Table.Th>{t('jobs.parameter.value')}</Table.Th>
              {earlier ? <Table.Th>{t('jobs.parameter.earlier')}</Table.Th> : null}
              <Table.Th>{t('jobs.parameter.usual')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.name} data-changed={row.isChanged || undefined}>
                <Table.Th scope="row" fw={400}>
                  {row.title}
                </Table.Th>
                <Table.Td>
                  <Text span size="sm" fw={row.isUsual ? 400 : 700}>
                    {said(row.value, row.unit)}
                  </Text>{' '}
                  {row.isChanged ? (
                    <Badge size="xs" variant="light" color="yellow">
                      {t('jobs.parameter.changed')}
                    </Badge>
                  ) : null}
                </Table.Td>
                {earlier ? <Table.Td>{said(row.earlier, row.unit)}</Table.Td> : null}
                <Table.Td c="dimmed">{said(row.usual, row.unit)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
