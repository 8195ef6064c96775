// SPDX-License-Identifier: Apache-2.0
import { useDebouncedCallback } from '@mantine/hooks';
import { useRouter } from '@tanstack/react-router';
import { useCallback } from 'react';

const AFTER_MS = 400;

/**
 * What a page shows, kept in its address: the last of many calls is written a moment later.  Nothing is written once
 * the address is another page's, or asks for another image.
 *
 * @param pathname  that of the page
 */
export function useRemember<T extends unknown[]>(pathname: string, write: (...shown: T) => void) {
  const router = useRouter();
  const asked = useCallback(() => (router.latestLocation.search as { image?: string }).image, [router]);
  const later = useDebouncedCallback((image: string | undefined, shown: T) => {
    if (router.latestLocation.pathname === pathname && asked() === image) write(...shown);
  }, AFTER_MS);
  return useCallback((...shown: T) => later(asked(), shown), [later, asked]);
}
