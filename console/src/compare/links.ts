// SPDX-License-Identifier: Apache-2.0
// Two viewports that follow each other; each link can be switched off.
import type { View, Window } from '../viewer/engine';

export interface Links {
  slice: boolean;
  camera: boolean;
  window: boolean;
}

export type Follow = keyof Links;

/** What the linker needs of a view. */
export type Linked = Pick<View, 'slice' | 'window' | 'goTo' | 'setWindow' | 'copyCamera'>;

/** A window as part of a scale to the same part of another scale. */
export function carry(window: Window, from: Window, to: Window): Window {
  return {
    center: to.center + ((window.center - from.center) / from.width) * to.width,
    width: Math.max(1, (window.width / from.width) * to.width),
  };
}

/**
 * Lets one view follow the other without the echo coming back.  Where the values of both mean the same (two CT images)
 * the window is the same; else (a CT beside a picture in grey levels) it changes by the same part of what it was.
 */
export class Linker {
  #links: Links = { slice: false, camera: false, window: false };
  #first = new Map<Linked, Window>();
  #isEcho = false;
  #leader: Linked | undefined;
  readonly #isOneScale: boolean;

  constructor(isOneScale: boolean) {
    this.#isOneScale = isOneScale;
  }

  /** Switch links; a link that was off begins with `to` catching up with `from`. */
  set(links: Links, from: Linked, to: Linked): void {
    const begun = (Object.keys(links) as Follow[]).filter((kind) => links[kind] && !this.#links[kind]);
    this.#links = { ...links };
    for (const kind of begun) this.pass(kind, from, to);
  }

  /** Remember the window that a view has by itself. */
  begin(view: Linked): void {
    if (view.window) this.#first.set(view, view.window);
  }

  /** What happened in `from` happens in `to` as well, if that link is on. */
  pass(kind: Follow, from: Linked, to: Linked): void {
    if (!this.#links[kind]) return;
    if (kind === 'slice') {
      if (!this.#leader) void this.#follow(from, to);
      return;
    }
    if (this.#isEcho) return;
    this.#isEcho = true;
    try {
      if (kind === 'camera') to.copyCamera(from as View);
      else this.#passWindow(from, to);
    } finally {
      this.#isEcho = false;
    }
  }

  #passWindow(from: Linked, to: Linked): void {
    const window = from.window;
    const [one, other] = [this.#first.get(from), this.#first.get(to)];
    if (!window) return;
    if (this.#isOneScale) to.setWindow(window);
    else if (one && other) to.setWindow(carry(window, one, other));
  }

  /** Until both show the same: who leads may have gone on while the other was loading. */
  async #follow(from: Linked, to: Linked): Promise<void> {
    this.#leader = from;
    try {
      while (this.#links.slice && to.slice !== from.slice) {
        const before = to.slice;
        await to.goTo(from.slice);
        if (to.slice === before) return; // it has fewer images
      }
    } finally {
      this.#leader = undefined;
    }
  }
}
