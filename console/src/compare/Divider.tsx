// SPDX-License-Identifier: Apache-2.0
// The line between original and processed: dragged by its handle, or moved by keys.
import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './Divider.module.css';

interface Props {
  /** Percent of the width, from the left. */
  value: number;
  onChange: (value: number) => void;
}

const within = (value: number) => Math.min(100, Math.max(0, value));

export function Divider({ value, onChange }: Props) {
  const { t } = useTranslation();
  const line = useRef<HTMLDivElement>(null);
  const steps: Record<string, number> = { ArrowLeft: value - 2, ArrowRight: value + 2, Home: 0, End: 100 };
  const follow = (event: React.PointerEvent<HTMLDivElement>) => {
    const frame = line.current?.parentElement?.getBoundingClientRect();
    if (!frame || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    onChange(within((100 * (event.clientX - frame.x)) / frame.width));
  };

  return (
    <div ref={line} className={classes.line} style={{ left: `${value}%` }}>
      <div
        className={classes.handle}
        role="slider"
        tabIndex={0}
        aria-label={t('compare.divider')}
        aria-orientation="horizontal"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(value)}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={follow}
        onKeyDown={(event) => {
          const next = steps[event.key];
          if (next === undefined) return;
          event.preventDefault();
          onChange(within(next));
        }}
        data-testid="divider"
      >
        <span aria-hidden>⇔</span>
      </div>
    </div>
  );
}
