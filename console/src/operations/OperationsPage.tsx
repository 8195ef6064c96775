// SPDX-License-Identifier: Apache-2.0
import { Alert, Card, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { HostPool, System } from '../api/schema';
import { duration } from '../jobs/elapsed';
import { Chart } from './Chart';
import { DeadLetters } from './DeadLetters';
import { useHistory } from './history';
import { useLatencies, useQueues, useSystem } from './useSystem';

export function OperationsPage() {
  const { t } = useTranslation();
  const system = useSystem();

  return (
    <Stack>
      <Title order={1} size="h3">
        {t('nav.operations')}
      </Title>
      {system.error ? (
        <Alert color="red" title={t('errors.load')}>
          {system.error.message}
        </Alert>
      ) : null}
      <Queues />
      <Charts system={system.data} at={system.dataUpdatedAt} />
      {system.data ? <Machine system={system.data} /> : null}
      <Latencies />
    </Stack>
  );
}

function Queues() {
  const { t, i18n } = useTranslation();
  const { data } = useQueues();
  const [open, setOpen] = useState<string | null>(null);

  return (
    <Card withBorder>
      <Title order={2} size="h5">
        {t('operations.queues')}
      </Title>
      <Table.ScrollContainer
        type="native"
        minWidth={500}
        tabIndex={0}
        role="region"
        aria-label={t('operations.queues')}
      >
        <Table>
          <Table.Thead>
            <Table.Tr>
              {(['name', 'visible', 'inFlight', 'delayed', 'oldest', 'dead'] as const).map((name) => (
                <Table.Th key={name}>{t(`operations.queue.${name}`)}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {data?.queues.map((queue) => (
              <Table.Tr key={queue.name}>
                <Table.Th scope="row">{queue.name}</Table.Th>
                <Table.Td>{queue.visible}</Table.Td>
                <Table.Td>{queue.in_flight}</Table.Td>
                <Table.Td>{queue.delayed}</Table.Td>
                <Table.Td>{duration(1000 * queue.oldest_age_seconds, i18n.language)}</Table.Td>
                <Table.Td>
                  {queue.dead > 0 ? (
                    <button
                      type="button"
                      onClick={() => setOpen(open === queue.name ? null : queue.name)}
                      aria-expanded={open === queue.name}
                    >
                      {t('operations.dead', { count: queue.dead })}
                    </button>
                  ) : (
                    0
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {open ? <DeadLetters queue={open} /> : null}
    </Card>
  );
}

function Charts({ system, at }: { system: System | undefined; at: number }) {
  const { t } = useTranslation();
  const queues = useQueues();
  const depth = queues.data?.queues.reduce((sum, queue) => sum + queue.visible + queue.in_flight + queue.delayed, 0);
  const throughput = useHistory(at, system && [system.throughput.jobs_last_minute]);
  const depths = useHistory(queues.dataUpdatedAt, depth === undefined ? undefined : [depth]);

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Chart
        title={t('operations.throughput')}
        summary={t('operations.throughputNow', { count: system?.throughput.jobs_last_minute ?? 0 })}
        times={throughput.times}
        series={[{ name: t('operations.throughput'), color: '#4dd4e8', values: throughput.values[0] ?? [] }]}
      />
      <Chart
        title={t('operations.depth')}
        summary={t('operations.depthNow', { count: depth ?? 0 })}
        times={depths.times}
        series={[{ name: t('operations.depth'), color: '#f0a35e', values: depths.values[0] ?? [] }]}
      />
    </SimpleGrid>
  );
}

const gigabytes = (bytes: number, language: string) =>
  new Intl.NumberFormat(language, { style: 'unit', unit: 'gigabyte', maximumFractionDigits: 1 }).format(bytes / 1e9);

function Machine({ system }: { system: System }) {
  const { t, i18n } = useTranslation();
  const facts: [string, string][] = [
    [t('operations.version'), system.version],
    [t('operations.uptime'), duration(1000 * system.uptime_seconds, i18n.language)],
    [t('operations.disk'), gigabytes(system.disk.free_bytes, i18n.language)],
    [t('operations.diskFloor'), gigabytes(system.disk.floor_bytes, i18n.language)],
    ...Object.entries(system.catalog).map(([name, count]): [string, string] => [
      t(`operations.catalog.${name}`, { defaultValue: name }),
      new Intl.NumberFormat(i18n.language).format(count),
    ]),
  ];

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Card withBorder>
        <Title order={2} size="h5">
          {t('operations.machine')}
        </Title>
        <Table withRowBorders={false} verticalSpacing={2}>
          <Table.Tbody>
            {facts.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
      <Card withBorder>
        <Title order={2} size="h5">
          {t('operations.hosts')}
        </Title>
        <Pool name={t('operations.pool.jobs')} pool={system.hosts.jobs} />
        <Pool name={t('operations.pool.viewers')} pool={system.hosts.viewers} />
        <Text size="sm">
          {Object.entries(system.hosts.busy_per_algorithm)
            .map(([algorithm, count]) => `${algorithm}: ${count}`)
            .join(', ')}
        </Text>
      </Card>
    </SimpleGrid>
  );
}

function Pool({ name, pool }: { name: string; pool: HostPool }) {
  const { t } = useTranslation();
  const layers = Object.entries(pool.layers)
    .filter(([, isOn]) => isOn)
    .map(([layer]) => layer);

  return (
    <Group gap="md">
      <Text size="sm" fw={600}>
        {name}
      </Text>
      <Text size="sm">
        {t('operations.poolState', { busy: pool.busy, alive: pool.alive, waiting: pool.waiting, losses: pool.losses })}
      </Text>
      <Text size="xs" c="dimmed">
        {layers.join(', ')}
      </Text>
    </Group>
  );
}

function Latencies() {
  const { t, i18n } = useTranslation();
  const { data } = useLatencies();

  if (!data?.length) return null;
  const stages = [...new Set(data.map((entry) => entry.stage))];
  const algorithms = [...new Set(data.map((entry) => entry.algo))];
  return (
    <Card withBorder>
      <Title order={2} size="h5">
        {t('operations.latency')}
      </Title>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('run.algorithm')}</Table.Th>
            {stages.map((stage) => (
              <Table.Th key={stage}>{t(`jobs.stage.${stage}`, { defaultValue: stage })}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {algorithms.map((algo) => (
            <Table.Tr key={algo}>
              <Table.Th scope="row">{algo}</Table.Th>
              {stages.map((stage) => {
                const entry = data.find((one) => one.algo === algo && one.stage === stage);
                return <Table.Td key={stage}>{entry ? duration(entry.meanMs, i18n.language) : ''}</Table.Td>;
              })}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
