// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LiveSocket, type LiveState } from './LiveSocket';

/** As much of a WebSocket as a test has to hold in its hands. */
class FakeSocket {
  static OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: string[] = [];
  onopen?: () => void;
  onclose?: () => void;
  onmessage?: (event: { data: unknown }) => void;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.sent.push(text);
  }
  close() {
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  fail() {
    this.readyState = 3;
    this.onclose?.();
  }
  receive(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const last = () => FakeSocket.all[FakeSocket.all.length - 1] as FakeSocket;
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0); // the shortest wait: half a second
  FakeSocket.all = [];
  vi.stubGlobal('WebSocket', FakeSocket);
});

const started: LiveSocket[] = [];

afterEach(() => {
  for (const socket of started.splice(0)) socket.stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function make(options: Partial<ConstructorParameters<typeof LiveSocket>[0]> = {}) {
  const states: LiveState['kind'][] = [];
  const messages: unknown[] = [];
  let seen = 0;
  const socket = new LiveSocket({
    url: () => `ws://server/ws?since=${seen}`,
    onMessage: (message) => {
      messages.push(message);
      seen = (message as { seq?: number }).seq ?? seen;
    },
    onState: (state) => states.push(state.kind),
    ...options,
  });
  socket.start();
  started.push(socket);
  return { socket, states, messages };
}

test('it says on reconnection what was seen last', async () => {
  const { messages } = make();
  await settle();
  last().open();
  last().receive({ seq: 7 });
  last().fail();
  await vi.advanceTimersByTimeAsync(1000);
  expect(FakeSocket.all.map((socket) => socket.url)).toEqual(['ws://server/ws?since=0', 'ws://server/ws?since=7']);
  expect(messages).toEqual([{ seq: 7 }]);
});

test('two failures in a row mean unavailable, once, and an open socket means restored, once', async () => {
  const onUnavailable = vi.fn();
  const onRestored = vi.fn();
  make({ onUnavailable, onRestored });
  for (let i = 0; i < 4; i++) {
    await settle();
    last().fail();
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(onUnavailable).toHaveBeenCalledTimes(1);
  expect(onRestored).not.toHaveBeenCalled();
  last().open();
  expect(onRestored).toHaveBeenCalledTimes(1);
});

test('a socket that does not open in time is given up', async () => {
  const { states } = make();
  await settle();
  const first = last();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(first.readyState).toBe(3);
  expect(states).toContain('waiting');
});

test('a ping without a pong within its time reconnects; with one it stays', async () => {
  const { states } = make();
  await settle();
  last().open();
  await vi.advanceTimersByTimeAsync(300_000);
  expect(JSON.parse(last().sent[0] as string)).toMatchObject({ type: 'ping' });
  last().receive({ type: 'pong' });
  await vi.advanceTimersByTimeAsync(15_000);
  expect(states.at(-1)).toBe('live');
  await vi.advanceTimersByTimeAsync(300_000 + 30_000);
  expect(FakeSocket.all.length).toBeGreaterThan(1);
});

test('what an old socket still says is not heard', async () => {
  const { messages } = make();
  await settle();
  const old = last();
  old.open();
  old.fail();
  await vi.advanceTimersByTimeAsync(1000);
  last().open();
  old.receive({ seq: 99 });
  expect(messages).toEqual([]);
});

test('the wait grows, never beyond its ceiling', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const waits: number[] = [];
  make({ onState: (state) => state.kind === 'waiting' && waits.push(state.retryAt - Date.now()) });
  for (let i = 0; i < 9; i++) {
    await settle();
    last().fail();
    await vi.advanceTimersByTimeAsync(30_000);
  }
  expect(waits.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
  expect(Math.max(...waits)).toBe(30_000);
});

test('being online again ends the wait at once, stop is final', async () => {
  const { socket } = make();
  await settle();
  last().fail();
  window.dispatchEvent(new Event('online'));
  await settle();
  expect(FakeSocket.all.length).toBe(2);
  socket.stop();
  last().fail();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all.length).toBe(2);
  expect(socket.state.kind).toBe('stopped');
});
