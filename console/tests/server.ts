// SPDX-License-Identifier: Apache-2.0
// The real server for the tests: the built executable on a free port of loopback, ended by its pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const binary = resolve(process.env.COR_TEST_CORSIA ?? '../build/corsia');

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.on('error', fail);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const MEMORY = '/dev/shm';
const ROOM_BYTES = 1 << 30;

/** In memory where there is room: what is tested is not the disk, and waiting for it is most of a test's time. */
function folderForData(): string {
  if (!existsSync(MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize > ROOM_BYTES ? MEMORY : tmpdir();
}

export class Server {
  readonly folder = mkdtempSync(join(folderForData(), 'corsia-console-'));
  port = 0;
  readonly #options: string[];
  #process: ChildProcess | undefined;

  /** options: of `corsia serve`, beside the folder and the address. */
  constructor(options: string[] = []) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    this.port ||= await freePort();
    const log = openSync(join(this.folder, 'log'), 'a');
    this.#process = spawn(
      binary,
      [
        'serve',
        ...['--data', join(this.folder, 'data'), '--listen', `127.0.0.1:${this.port}`, '--disk-floor=1 MiB'],
        ...this.#options,
      ],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      const ready = await fetch(`${this.url}/health/ready`).catch(() => undefined);
      if (ready?.ok) return this;
      await new Promise((done) => setTimeout(done, 50)); // a poll with an end
    }
    throw new Error(`the server is not ready: ${readFileSync(join(this.folder, 'log'), 'utf8').slice(-2000)}`);
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stop or go on answering, the connections staying open: a server that hangs. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(name);
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((done) => {
      child.once('exit', () => done());
      child.kill(signal);
      child.kill('SIGCONT'); // a stopped process hears nothing else
    });
  }

  async store(file: Buffer): Promise<void> {
    const response = await fetch(`${this.url}/dicom-web/studies`, {
      method: 'POST',
      body: new Uint8Array(file),
      headers: { 'Content-Type': 'application/dicom' },
    });
    if (!response.ok) throw new Error(`store: ${response.status} ${await response.text()}`);
  }
}
