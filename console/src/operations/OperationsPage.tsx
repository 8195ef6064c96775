// SPDX-License-Identifier: Apache-2.0
import { Alert, Badge, Button, Card, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { HostPool, System } from '../api/schema';
import { useKeys } from '../app/keys';
import { duration } from '../jobs/elapsed';
import { wordsOf } from '../run/schema';
import { useAlgorithms } from '../run/useAlgorithms';
import { Chart } from './Chart';
import { DeadLetters } from './DeadLetters';
import { useHistory } from './history';
import { STAGES, useLatencies, useQueues, useSystem } from './useSystem';

const states = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
const stageColors = ['#868e96', '#4dabf7', '#20c997', '#f0a35e'];

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
      {system.data ? <JobCounts system={system.data} /> : null}
      <Queues />
      <Charts system={system.data} />
      {system.data ? <Algorithms system={system.data} /> : null}
      {system.data ? <Machine system={system.data} /> : null}
    </Stack>
  );
}

/** All jobs that the server keeps, by state; each leads to its list. */
function JobCounts({ system }: { system: System }) {
  const { t, i18n } = useTranslation();
  const number = new Intl.NumberFormat(i18n.language);

  return (
    <Group gap="lg" data-testid="job-counts">
      {states.map((state) => (
        <Link to="/jobs" search={{ state, all: true }} key={state}>
          {t(`jobs.state.${state}`)}: {number.format(system.jobs[state] ?? 0)}
        </Link>
      ))}
    </Group>
  );
}

function Queues() {
  const { t, i18n } = useTranslation();
  const { data } = useQueues();
  const [open, setOpen] = useState<string | null>(null);
  const toggle = (name: string) => setOpen(open === name ? null : name);
  useKeys('operations', {
    dead: () => {
      const name = open ?? data?.queues.find((queue) => queue.dead > 0)?.name;
      if (name) toggle(name);
    },
  });

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
        <Table verticalSpacing={4} data-testid="queues">
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
                <Table.Td>
                  {queue.oldest_age_seconds > 0 ? duration(1000 * queue.oldest_age_seconds, i18n.language) : '–'}
                </Table.Td>
                <Table.Td>
                  {queue.dead > 0 || open === queue.name ? (
                    <Button
                      size="compact-xs"
                      variant="light"
                      color={queue.dead > 0 ? 'red' : 'gray'}
                      onClick={() => toggle(queue.name)}
                      aria-expanded={open === queue.name}
                    >
                      {t('operations.dead', { count: queue.dead })}
                    </Button>
                  ) : (
                    0
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {open ? <DeadLetters key={open} queue={open} /> : null}
    </Card>
  );
}

function Charts({ system }: { system: System | undefined }) {
  const { t, i18n } = useTranslation();
  const throughput = useHistory('throughput');
  const depth = useHistory('depth');
  const latency = useHistory('latency');
  const number = useMemo(() => new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 0 }), [i18n.language]);
  const count = useCallback((value: number) => number.format(value), [number]);
  const time = useCallback((ms: number) => duration(ms, i18n.language), [i18n.language]);
  const last = STAGES.map((_, index) => latency.values[index]?.findLast((value) => value !== null) ?? null);

  return (
    <SimpleGrid cols={{ base: 1, md: 3 }}>
      <Chart
        title={t('operations.throughput')}
        summary={t('operations.throughputNow', { count: system?.throughput.jobs_last_minute ?? 0 })}
        times={throughput.times}
        series={[{ name: t('operations.throughput'), color: '#4dd4e8', values: throughput.values[0] ?? [] }]}
        say={count}
      />
      <Chart
        title={t('operations.depth')}
        summary={t('operations.depthNow', { count: depth.values[0]?.at(-1) ?? 0 })}
        times={depth.times}
        series={[{ name: t('operations.depth'), color: '#f0a35e', values: depth.values[0] ?? [] }]}
        say={count}
      />
      <Chart
        title={t('operations.latency')}
        summary={
          last.every((value) => value === null)
            ? t('operations.latencyNone')
            : STAGES.map((stage, index) => {
                const value = last[index];
                return typeof value === 'number' ? `${t(`jobs.stage.${stage}`)} ${time(value)}` : '';
              })
                .filter(Boolean)
                .join(', ')
        }
        times={latency.times}
        series={STAGES.map((stage, index) => ({
          name: t(`jobs.stage.${stage}`),
          color: stageColors[index] as string,
          values: latency.values[index] ?? [],
        }))}
        say={time}
      />
    </SimpleGrid>
  );
}

/** What can be run here: version, hosts at work, and the mean time of each stage since the server began. */
function Algorithms({ system }: { system: System }) {
  const { t, i18n } = useTranslation();
  const { data: algorithms } = useAlgorithms();
  const { data: measured } = useLatencies();

  return (
    <Card withBorder>
      <Title order={2} size="h5">
        {t('operations.algorithms')}
      </Title>
      <Table.ScrollContainer
        type="native"
        minWidth={600}
        tabIndex={0}
        role="region"
        aria-label={t('operations.algorithms')}
      >
        <Table verticalSpacing={4} data-testid="algorithms">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('run.algorithm')}</Table.Th>
              <Table.Th>{t('operations.version')}</Table.Th>
              <Table.Th>{t('operations.busy')}</Table.Th>
              <Table.Th>{t('operations.done')}</Table.Th>
              {STAGES.map((stage) => (
                <Table.Th key={stage}>{t('operations.mean', { stage: t(`jobs.stage.${stage}`) })}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {algorithms?.items.map((algorithm) => {
              const of = (stage: string) =>
                measured?.find((entry) => entry.algo === algorithm.id && entry.stage === stage);
              return (
                <Table.Tr key={algorithm.id}>
                  <Table.Th scope="row">
                    {wordsOf(algorithm, i18n.language).title}{' '}
                    <Text span size="xs" c="dimmed">
                      {algorithm.id}
                    </Text>
                  </Table.Th>
                  <Table.Td>{algorithm.version}</Table.Td>
                  <Table.Td>{system.hosts.busy_per_algorithm[algorithm.id] ?? 0}</Table.Td>
                  <Table.Td>{of('total')?.count ?? 0}</Table.Td>
                  {STAGES.map((stage) => {
                    const entry = of(stage);
                    return (
                      <Table.Td key={stage}>
                        {entry ? duration(entry.sumMs / entry.count, i18n.language) : '–'}
                      </Table.Td>
                    );
                  })}
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

/** 77.6 GB, 640 kB. */
function size(bytes: number, language: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const format = { style: 'unit', unit: units[step], maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(language, format).format(bytes / 1000 ** step);
}

function Machine({ system }: { system: System }) {
  const { t, i18n } = useTranslation();
  const facts: [string, string][] = [
    [t('operations.version'), system.version],
    [t('operations.uptime'), duration(1000 * system.uptime_seconds, i18n.language)],
    [t('operations.disk'), size(system.disk.free_bytes, i18n.language)],
    [t('operations.diskFloor'), size(system.disk.floor_bytes, i18n.language)],
    ...Object.entries(system.catalog).map(([name, count]): [string, string] => [
      t(`operations.catalog.${name}`, { defaultValue: name }),
      name === 'bytes' ? size(count, i18n.language) : new Intl.NumberFormat(i18n.language).format(count),
    ]),
  ];

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Card withBorder>
        <Title order={2} size="h5">
          {t('operations.machine')}
        </Title>
        <Table withRowBorders={false} verticalSpacing={2} data-testid="machine">
          <Table.Tbody>
            {facts.map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        {system.disk.free_bytes < 2 * system.disk.floor_bytes ? (
          <Alert color="red">{t('operations.diskLow')}</Alert>
        ) : null}
      </Card>
      <Card withBorder>
        <Title order={2} size="h5">
          {t('operations.hosts')}
        </Title>
        <Stack gap="sm" mt="xs">
          <Pool name={t('operations.pool.jobs')} pool={system.hosts.jobs} />
          <Pool name={t('operations.pool.viewers')} pool={system.hosts.viewers} />
          <Text size="sm">{t('operations.sandbox', { mode: system.sandbox_mode })}</Text>
        </Stack>
      </Card>
    </SimpleGrid>
  );
}

function Pool({ name, pool }: { name: string; pool: HostPool }) {
  const { t } = useTranslation();
  const { busy, alive, waiting, losses } = pool;

  return (
    <div>
      <Text size="sm" fw={600}>
        {name}
      </Text>
      <Text size="sm">{t('operations.poolState', { busy, alive, waiting, losses })}</Text>
      <Group gap={4} mt={4}>
        {Object.entries(pool.layers).map(([layer, isOn]) => (
          <Badge key={layer} size="xs" variant="light" color={isOn ? 'teal' : 'gray'} tt="none">
            {isOn ? '✓' : '✕'} {layer}
          </Badge>
        ))}
      </Group>
    </div>
  );
}
