// SPDX-License-Identifier: Apache-2.0
// Two viewports that follow each other; each link can be switched off.
import type { View } from '../viewer/engine';

export interface Links {
  slice: boolean;
  camera: boolean;
  window: boolean;
}

export type Follow = keyof Links;

/** Lets one view follow the other without the echo coming back. */
export class Linker {
  links: Links = { slice: true, camera: true, window: true };
  #isEcho = false;

  /** What happened in `from` happens in `to` as well, if that link is on. */
  pass(kind: Follow, from: View, to: View): void {
    if (this.#isEcho || !this.links[kind]) return;
    this.#isEcho = true;
    try {
      if (kind === 'slice') {
        void to.goTo(from.slice).finally(() => {
          this.#isEcho = false;
        });
        return;
      }
      if (kind === 'camera') to.copyCamera(from);
      if (kind === 'window' && from.window) to.setWindow(from.window);
    } finally {
      if (kind !== 'slice') this.#isEcho = false;
    }
  }
}
