// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';

export interface History {
  times: number[];
  values: number[][];
}

const KEPT = 300; // ten minutes at two seconds

/** Remember what was measured: one row of values per answer. */
export function useHistory(measuredAtMs: number, row: number[] | undefined): History {
  const [history, setHistory] = useState<History>({ times: [], values: [] });
  const text = row && JSON.stringify(row);

  useEffect(() => {
    if (!text || measuredAtMs === 0) return;
    const values = JSON.parse(text) as number[];
    setHistory((old) => ({
      times: [...old.times, measuredAtMs / 1000].slice(-KEPT),
      values: values.map((value, index) => [...(old.values[index] ?? []), value].slice(-KEPT)),
    }));
  }, [measuredAtMs, text]);
  return history;
}
