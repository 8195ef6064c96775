// SPDX-License-Identifier: Apache-2.0
// A table of any length: only the rows in view exist, and the next page is asked for before they run out.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef } from 'react';
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
  /** undefined where a row is known to be there but not yet what is in it. */
  rows: readonly (Row | undefined)[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  rowPx: number;
  hasMore: boolean;
  isStale?: boolean;
  onEnd: () => void;
  /** The rows that are drawn, the last one included. */
  onRange?: (first: number, last: number) => void;
  /** New rows come at the top: what is being looked at stays where it is. */
  growsAtTop?: boolean;
}

const AHEAD = 20;

export function VirtualTable<Row>({
  label,
  rows,
  columns,
  rowKey,
  rowPx,
  hasMore,
  isStale,
  onEnd,
  onRange,
  growsAtTop,
}: Props<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
    estimateSize: () => rowPx,
    overscan: 8,
  });
  const visible = virtual.getVirtualItems();
  const firstIndex = visible[0]?.index ?? 0;
  const lastIndex = visible.at(-1)?.index ?? 0;
  const gridTemplateColumns = columns.map((column) => column.width).join(' ');

  useEffect(() => {
    if (hasMore && lastIndex >= rows.length - AHEAD) onEnd();
  }, [hasMore, lastIndex, rows.length, onEnd]);

  useEffect(() => onRange?.(firstIndex, lastIndex), [onRange, firstIndex, lastIndex]);
  useGrowth(scroller, growsAtTop === true && !isStale, rows.length, rowPx);

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
                  <Cell row={rows[item.index]} column={column} />
                </div>
              ))}
            </div>
          ))}
        </div>
      </div>
    </section>
  );
}

function Cell<Row>({ row, column }: { row: Row | undefined; column: Column<Row> }) {
  return row === undefined ? <span aria-hidden>…</span> : column.cell(row);
}

/** Scroll by what has come at the top, unless the top is what one looks at. */
function useGrowth(scroller: RefObject<HTMLElement | null>, isOn: boolean, count: number, rowPx: number): void {
  const before = useRef(count);

  useLayoutEffect(() => {
    const grown = count - before.current;
    before.current = count;
    if (isOn && grown > 0 && scroller.current && scroller.current.scrollTop > rowPx) {
      scroller.current.scrollTop += grown * rowPx;
    }
  }, [scroller, isOn, count, rowPx]);
}
