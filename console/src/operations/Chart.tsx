// SPDX-License-Identifier: Apache-2.0
// A line over time.  The canvas says nothing to a screen reader: beside it stand a sentence and, on request, a table.
import 'uplot/dist/uPlot.min.css';
import { Button, Group, Table, Text, Title } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import uPlot from 'uplot';
import { timeRange } from './history';

export interface Series {
  name: string;
  color: string;
  /** null where nothing was measured. */
  values: (number | null)[];
}

interface Props {
  title: string;
  summary: string;
  /** Seconds since 1970. */
  times: number[];
  series: Series[];
  /** A value in words, for the table and the axis. */
  say: (value: number) => string;
}

const HEIGHT_PX = 160;
const whole = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
const clockLook = { hour: 'numeric', minute: '2-digit', second: '2-digit', hour12: false } as const;

export function Chart({ title, summary, times, series, say }: Props) {
  const { t, i18n } = useTranslation();
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [isTable, setTable] = useState(false);
  const names = series.map((line) => `${line.name}\n${line.color}`).join('\n');

  // biome-ignore lint/correctness/useExhaustiveDependencies: the values are given below, without making a new chart
  useEffect(() => {
    const target = holder.current;
    if (!target) return;
    const minute = new Intl.DateTimeFormat(i18n.language, clockLook);
    const axis = { stroke: 'gray', grid: { stroke: 'rgba(128,128,128,.2)' } };
    const chart = new uPlot(
      {
        width: target.clientWidth || 300,
        height: HEIGHT_PX,
        cursor: { drag: { x: false, y: false } },
        hooks: {
          setScale: [
            ({ scales }, key) => {
              const { min, max } = scales.x ?? {};
              if (key === 'x') target.dataset.seconds = String(Math.round((max ?? 0) - (min ?? 0)));
            },
          ],
        },
        legend: { show: false }, // ours says what the lines are, to everybody
        axes: [
          { ...axis, values: (_chart, splits) => splits.map((at) => minute.format(new Date(1000 * at))) },
          { ...axis, size: 70, incrs: whole, values: (_chart, splits) => splits.map(say) },
        ],
        series: [
          {},
          ...series.map((line) => ({
            label: line.name,
            stroke: line.color,
            width: 2,
            spanGaps: true,
            points: { show: true, size: 4 }, // a single sample is a point, no line
          })),
        ],
        scales: {
          // not what uPlot passes: of a single sample it makes a day
          x: { range: ({ data }) => timeRange(data[0].at(0) ?? null, data[0].at(-1) ?? null, Date.now()) },
          y: { range: (_chart, _low, high) => [0, Math.max(high ?? 0, 1)] },
        },
      },
      [[], ...series.map(() => [])],
      target,
    );
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height: HEIGHT_PX }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [names, i18n.language]);
  useEffect(() => {
    plot.current?.setData([times, ...series.map((line) => line.values)]);
  }, [times, series]);

  const cell = (value: number | null | undefined) => (typeof value === 'number' ? say(value) : '–');
  const clock = new Intl.DateTimeFormat(i18n.language, clockLook);
  return (
    <figure style={{ margin: 0, minWidth: 0 }}>
      <figcaption>
        <Group gap="sm">
          <Title order={2} size="h5">
            {title}
          </Title>
          {series.length > 1
            ? series.map((line) => (
                <Group gap={4} key={line.name}>
                  <span aria-hidden style={{ width: 10, height: 10, borderRadius: 2, background: line.color }} />
                  <Text size="xs">{line.name}</Text>
                </Group>
              ))
            : null}
        </Group>
        <Text size="sm" c="dimmed">
          {summary}
        </Text>
      </figcaption>
      <div ref={holder} role="img" aria-label={summary} />
      <Button size="compact-xs" variant="default" onClick={() => setTable(!isTable)} aria-expanded={isTable}>
        {t('operations.asTable')}
      </Button>
      {isTable ? (
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('operations.time')}</Table.Th>
              {series.map((line) => (
                <Table.Th key={line.name}>{line.name}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {times.slice(-10).map((time, index) => (
              <Table.Tr key={time}>
                <Table.Td>{clock.format(new Date(1000 * time))}</Table.Td>
                {series.map((line) => (
                  <Table.Td key={line.name}>{cell(line.values.slice(-10)[index])}</Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      ) : null}
    </figure>
  );
}
