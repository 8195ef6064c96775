// SPDX-License-Identifier: Apache-2.0
// A line over time.  The canvas says nothing to a screen reader: beside it stand a sentence and, on request, a table.
import 'uplot/dist/uPlot.min.css';
import { Button, Table } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import uPlot from 'uplot';

export interface Series {
  name: string;
  color: string;
  values: number[];
}

interface Props {
  title: string;
  summary: string;
  /** Seconds since 1970. */
  times: number[];
  series: Series[];
}

const HEIGHT_PX = 160;

export function Chart({ title, summary, times, series }: Props) {
  const { t, i18n } = useTranslation();
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [isTable, setTable] = useState(false);
  const names = series.map((line) => `${line.name}\n${line.color}`).join('\n');

  // biome-ignore lint/correctness/useExhaustiveDependencies: the values are given below, without making a new chart
  useEffect(() => {
    const target = holder.current;
    if (!target) return;
    const axis = { stroke: 'gray', grid: { stroke: 'rgba(128,128,128,.2)' } };
    const chart = new uPlot(
      {
        width: target.clientWidth || 300,
        height: HEIGHT_PX,
        axes: [axis, axis],
        series: [{}, ...series.map((line) => ({ label: line.name, stroke: line.color, width: 2 }))],
        scales: { y: { range: (_chart, _low, high) => [0, Math.max(high, 1)] } },
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
  }, [names]);
  useEffect(() => {
    plot.current?.setData([times, ...series.map((line) => line.values)]);
  }, [times, series]);

  const clock = new Intl.DateTimeFormat(i18n.language, { timeStyle: 'medium' });
  return (
    <figure style={{ margin: 0, minWidth: 0 }}>
      <figcaption>{title}</figcaption>
      <div ref={holder} role="img" aria-label={summary} />
      <Button size="compact-xs" variant="subtle" onClick={() => setTable(!isTable)} aria-expanded={isTable}>
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
                  <Table.Td key={line.name}>{line.values.slice(-10)[index]}</Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      ) : null}
    </figure>
  );
}
