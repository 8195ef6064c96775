// SPDX-License-Identifier: Apache-2.0
// A table of any length: only the rows in view exist, and the next page is asked for before they run out.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useRef } from 'react';
import classes from './VirtualTable.module.css';

export interface Column<Row> {
  key: string;
  title: string;
  /** A track of CSS grid: "120px", "minmax(100px, 2fr)". */
  width: string;
  cell: (row: Row) => ReactNode;
}

interface Props<Row> {
  label: string;
  rows: Row[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  rowPx: number;
  hasMore: boolean;
  isStale?: boolean;
  onEnd: () => void;
}

const AHEAD = 20;

export function VirtualTable<Row>({ label, rows, columns, rowKey, rowPx, hasMore, isStale, onEnd }: Props<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => rowKey(rows[index] as Row),
    estimateSize: () => rowPx,
    overscan: 8,
  });
  const visible = virtual.getVirtualItems();
  const lastIndex = visible.at(-1)?.index ?? 0;
  const gridTemplateColumns = columns.map((column) => column.width).join(' ');

  useEffect(() => {
    if (hasMore && lastIndex >= rows.length - AHEAD) onEnd();
  }, [hasMore, lastIndex, rows.length, onEnd]);

  // Rows are placed one by one, which the elements of a table do not allow: hence the roles.  What scrolls takes the
  // focus, so that the keyboard can scroll it.
  return (
    <section
      ref={scroller}
      className={classes.scroller}
      data-stale={isStale || undefined}
      tabIndex={0}
      aria-label={label}
    >
      <div role="table" aria-label={label} aria-rowcount={hasMore ? -1 : rows.length + 1}>
        <div role="row" aria-rowindex={1} className={`${classes.row} ${classes.head}`} style={{ gridTemplateColumns }}>
          {columns.map((column) => (
            <div role="columnheader" key={column.key} className={classes.cell}>
              {column.title}
            </div>
          ))}
        </div>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {visible.map((item) => (
            <div
              role="row"
              key={item.key}
              aria-rowindex={item.index + 2}
              className={`${classes.row} ${classes.placed}`}
              style={{ gridTemplateColumns, height: rowPx, transform: `translateY(${item.start}px)` }}
            >
              {columns.map((column) => (
                <div role="cell" key={column.key} className={classes.cell}>
                  {column.cell(rows[item.index] as Row)}
                </div>
              ))}
            </div>
          ))}
        </div>
      </div>
    </section>
  );
}
