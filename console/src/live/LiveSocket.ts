// SPDX-License-Identifier: Apache-2.0
// A WebSocket that comes back.
//
//   idle --start--> connecting --open--> live
//                    ^    |                |
//                    |    +-- closed, late +-- closed, no pong in time
//                    |                     v
//                    +--- back-off ends, or the browser is online again --- waiting
//   any --stop--> stopped
//
// The address is asked for anew at every attempt, so that a reconnection says what was seen last and misses nothing.

export type LiveState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'live' }
  | { kind: 'waiting'; retryAt: number; failures: number }
  | { kind: 'stopped' };

export interface LiveSocketOptions {
  /** The address to connect to; may have to fetch a ticket first. */
  url: () => string | Promise<string>;
  onMessage: (data: unknown) => void;
  onState?: (state: LiveState) => void;
  /** Once, after two attempts in a row have failed: fall back to polling. */
  onUnavailable?: () => void;
  /** Once, when it is live again after that. */
  onRestored?: () => void;
  openTimeoutMs?: number;
  pingIntervalMs?: number;
  pongTimeoutMs?: number;
  backOffMinMs?: number;
  backOffMaxMs?: number;
}

const defaults = {
  openTimeoutMs: 10_000,
  pingIntervalMs: 300_000,
  pongTimeoutMs: 15_000,
  backOffMinMs: 500,
  backOffMaxMs: 30_000,
};

export class LiveSocket {
  #options: LiveSocketOptions & typeof defaults;
  #socket: WebSocket | undefined;
  #state: LiveState = { kind: 'idle' };
  #failures = 0;
  #isUnavailable = false;
  #attempt = 0;
  #timers = new Map<'open' | 'retry' | 'ping' | 'pong', ReturnType<typeof setTimeout>>();

  constructor(options: LiveSocketOptions) {
    this.#options = { ...defaults, ...options };
  }

  get state(): LiveState {
    return this.#state;
  }

  start(): void {
    if (this.#state.kind !== 'idle') return;
    window.addEventListener('online', this.#hurry);
    document.addEventListener('visibilitychange', this.#hurry);
    void this.#connect();
  }

  /** Final. */
  stop(): void {
    window.removeEventListener('online', this.#hurry);
    document.removeEventListener('visibilitychange', this.#hurry);
    this.#move({ kind: 'stopped' });
    this.#drop();
  }

  /** False if it is not live. */
  send(message: unknown): boolean {
    if (this.#state.kind !== 'live' || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Do not wait any longer: somebody came back. */
  #hurry = (): void => {
    if (this.#state.kind === 'waiting' && document.visibilityState !== 'hidden') void this.#connect();
  };

  #move(state: LiveState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }

  #after(name: 'open' | 'retry' | 'ping' | 'pong', ms: number, run: () => void): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(run, ms));
  }

  #drop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#attempt++;
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close();
  }

  async #connect(): Promise<void> {
    this.#drop();
    const attempt = this.#attempt;
    this.#move({ kind: 'connecting' });
    this.#after('open', this.#options.openTimeoutMs, () => this.#fail(attempt));
    let socket: WebSocket;
    try {
      const url = await this.#options.url();
      if (attempt !== this.#attempt) return;
      socket = new WebSocket(url);
    } catch {
      this.#fail(attempt);
      return;
    }
    this.#socket = socket;
    socket.onopen = () => this.#opened(attempt);
    socket.onclose = () => this.#fail(attempt);
    socket.onmessage = (event) => this.#received(attempt, event.data);
  }

  #opened(attempt: number): void {
    if (attempt !== this.#attempt) return;
    clearTimeout(this.#timers.get('open'));
    this.#failures = 0;
    this.#move({ kind: 'live' });
    if (this.#isUnavailable) {
      this.#isUnavailable = false;
      this.#options.onRestored?.();
    }
    this.#ping(attempt);
  }

  #ping(attempt: number): void {
    this.#after('ping', this.#options.pingIntervalMs, () => {
      this.send({ type: 'ping', t: Date.now() });
      this.#after('pong', this.#options.pongTimeoutMs, () => this.#fail(attempt));
      this.#ping(attempt);
    });
  }

  #received(attempt: number, data: unknown): void {
    if (attempt !== this.#attempt || typeof data !== 'string') return;
    clearTimeout(this.#timers.get('pong'));
    let message: unknown;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not ours
    }
    this.#options.onMessage(message);
  }

  /** Full jitter: many clients of a server that restarts do not come back at the same moment. */
  #backOff(): number {
    const { backOffMinMs, backOffMaxMs } = this.#options;
    const ceiling = Math.min(backOffMaxMs, backOffMinMs * 2 ** this.#failures);
    return Math.max(backOffMinMs, Math.random() * ceiling);
  }

  #fail(attempt: number): void {
    if (attempt !== this.#attempt || this.#state.kind === 'stopped') return;
    this.#drop();
    this.#failures++;
    const wait = this.#backOff();
    this.#move({ kind: 'waiting', retryAt: Date.now() + wait, failures: this.#failures });
    if (this.#failures === 2 && !this.#isUnavailable) {
      this.#isUnavailable = true;
      this.#options.onUnavailable?.();
    }
    this.#after('retry', wait, () => void this.#connect());
  }
}
