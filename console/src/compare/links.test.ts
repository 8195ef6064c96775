// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { Window } from '../viewer/engine';
import { carry, type Linked, Linker } from './links';

class FakeView implements Linked {
  slice = 0;
  window: Window | undefined = { center: 40, width: 400 };
  cameras = 0;
  arrivals: (() => void)[] = [];
  onSlice = () => {};
  onWindow = () => {};

  goTo(index: number): Promise<void> {
    return new Promise((done) => {
      this.arrivals.push(() => {
        this.slice = index;
        this.onSlice();
        done();
      });
    });
  }
  setWindow(window: Window): void {
    this.window = window;
    this.onWindow();
  }
  copyCamera(): void {
    this.cameras++;
  }
}

const settled = () => new Promise((done) => setTimeout(done));

test('who is left behind while an image loads catches up, and does not pull back', async () => {
  const [left, right] = [new FakeView(), new FakeView()];
  const linker = new Linker(true);
  right.onSlice = () => linker.pass('slice', right, left);
  linker.set({ slice: true, camera: false, window: false }, left, right);
  left.slice = 1;
  linker.pass('slice', left, right);
  left.slice = 5;
  linker.pass('slice', left, right);
  while (right.arrivals.length > 0) {
    right.arrivals.shift()?.();
    await settled();
  }
  expect([left.slice, right.slice]).toEqual([5, 5]);
  expect(left.arrivals).toEqual([]);
});

test('a link that is off does nothing; switched on, the other catches up', () => {
  const [left, right] = [new FakeView(), new FakeView()];
  const linker = new Linker(true);
  left.window = { center: 1, width: 2 };
  linker.pass('window', left, right);
  linker.pass('camera', left, right);
  expect(right.window).toEqual({ center: 40, width: 400 });
  expect(right.cameras).toBe(0);
  linker.set({ slice: false, camera: false, window: true }, left, right);
  expect(right.window).toEqual({ center: 1, width: 2 });
  expect(right.cameras).toBe(0);
});

test('a window is carried over to another scale by its share, and its echo is not heard', () => {
  const [left, right] = [new FakeView(), new FakeView()];
  const linker = new Linker(false);
  right.window = { center: 128, width: 256 };
  right.onWindow = () => linker.pass('window', right, left);
  linker.begin(left);
  linker.begin(right);
  linker.set({ slice: false, camera: false, window: true }, left, right);
  left.window = { center: 140, width: 200 };
  linker.pass('window', left, right);
  expect(right.window).toEqual({ center: 192, width: 128 });
  expect(left.window).toEqual({ center: 140, width: 200 });
  expect(carry({ center: 40, width: 0.5 }, { center: 40, width: 400 }, { center: 1, width: 2 }).width).toBe(1);
});
