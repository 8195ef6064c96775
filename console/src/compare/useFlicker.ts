// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import { isTaken } from '../app/keys';

const FLICKER_MS = 500; // two changes a second: below what harms (WCAG 2.2, 2.3.1)

/** True and false by turns while it is on; people who want less motion hold F. */
export function useFlicker(isOn: boolean): boolean {
  const [isHidden, setHidden] = useState(false);

  useEffect(() => {
    if (!isOn || window.matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const timer = setInterval(() => setHidden((old) => !old), FLICKER_MS);
    return () => {
      clearInterval(timer);
      setHidden(false);
    };
  }, [isOn]);
  return isHidden;
}

/** True while a key is down: F shows the original alone, whatever the mode. */
export function useHeld(key: string): boolean {
  const [isDown, setDown] = useState(false);

  useEffect(() => {
    const controller = new AbortController();
    const press = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== key || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!isTaken(event)) setDown(event.type === 'keydown');
    };
    window.addEventListener('keydown', press, { signal: controller.signal });
    window.addEventListener('keyup', press, { signal: controller.signal });
    window.addEventListener('blur', () => setDown(false), { signal: controller.signal }); // its keyup comes elsewhere
    return () => controller.abort();
  }, [key]);
  return isDown;
}
