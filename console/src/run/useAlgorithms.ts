// SPDX-License-Identifier: Apache-2.0
import { useQuery } from '@tanstack/react-query';
import { getJson } from '../api/http';
import type { AlgorithmList } from '../api/schema';

/** What can be run, with the parameters of each. */
export function useAlgorithms(isWanted = true) {
  return useQuery({
    queryKey: ['algorithms'],
    queryFn: ({ signal }) => getJson<AlgorithmList>('/algorithms', signal),
    staleTime: 60_000,
    enabled: isWanted,
  });
}
