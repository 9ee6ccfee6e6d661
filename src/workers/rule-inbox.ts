import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { DatasetMemory } from '../detect/state/datasets.js';
import { type OpenImage, openImage } from '../supervisor/rule-image.js';
import type { Engine } from './engine.js';

/** Words shared between a process's main thread and one detecting thread. */
export const enum Order {
  /** 1: end once everything is decided. */
  End = 0,
  /** Rule sets waiting at the port. */
  Reload = 1,
  Words = 2,
}

/** A rule set for detecting threads: numbers in events refer to it by `generation`. */
export interface RuleMessage {
  /** Of a RuleImage, in shared memory; the process holds its databases. */
  image: Uint8Array;
  /** EngineSetup.datasets. */
  datasets: DatasetMemory[];
  generation: number;
}

/** Threads that could not take new rules, and keep those they have. */
export interface Refusal {
  threads: number;
  /** Threads that were to take them. */
  of: number;
  /** The first one's. */
  reason: string;
}

interface Answer {
  reloaded?: number;
  /** Why the old rules stay. */
  refused?: string;
}

/** The other side: one per process, an order reaches all its detecting threads. */
export class RuleOutbox {
  private readonly threads: { port: MessagePort; orders: Int32Array }[] = [];
  private awaited = 0;
  private refusal: Refusal | undefined;

  /** `onReloaded`: every thread has answered. */
  constructor(private readonly onReloaded: (generation: number, refusal?: Refusal) => void) {}

  /** Ends of the line for a new thread. */
  add(): { port: MessagePort; orders: Int32Array; ours: MessagePort } {
    const { port1, port2 } = new MessageChannel();
    const orders = new Int32Array(new SharedArrayBuffer(4 * Order.Words));
    this.threads.push({ port: port1, orders });
    port1.on('message', (answer: Answer) => this.heard(answer));
    return { port: port2, orders, ours: port1 };
  }

  rules(message: RuleMessage): void {
    this.awaited += this.threads.length;
    for (const { port, orders } of this.threads) {
      port.postMessage(message);
      Atomics.add(orders, Order.Reload, 1);
    }
  }

  end(): void {
    for (const { orders } of this.threads) Atomics.store(orders, Order.End, 1);
  }

  private heard({ reloaded, refused }: Answer): void {
    if (reloaded === undefined) return;
    if (refused !== undefined) {
      this.refusal ??= { threads: 0, of: this.threads.length, reason: refused };
      this.refusal.threads++;
    }
    if (--this.awaited > 0) return;
    const { refusal } = this;
    this.refusal = undefined;
    this.onReloaded(reloaded, refusal);
  }
}

/**
 * New rule sets for a thread that never returns to its event loop: it looks at a shared word once a
 * turn, and takes the message from the port between two packets.
 */
export class RuleInbox {
  private opened: (RuleMessage & OpenImage) | undefined;

  constructor(
    private readonly port: MessagePort,
    private readonly orders: Int32Array,
  ) {}

  waiting(): boolean {
    return Atomics.load(this.orders, Order.Reload) > 0;
  }

  ended(): boolean {
    return Atomics.load(this.orders, Order.End) === 1;
  }

  /**
   * One step of taking new rules: to open the image, then to put it in force. Call it until nothing is waiting, with packets in
   * between: each step takes a few milliseconds for 25,000 rules. Rules that cannot be taken must not stop traffic: those in
   * force stay, and the answer says why.
   */
  take(engine: Engine): void {
    const { opened } = this;
    if (opened === undefined) {
      const received = receiveMessageOnPort(this.port);
      if (received !== undefined) this.open(received.message as RuleMessage);
      return;
    }
    this.opened = undefined;
    try {
      engine.setRules(opened.rules, opened.generation, opened.prepared, opened.datasets);
    } catch (error) {
      this.answer({ reloaded: opened.generation, refused: (error as Error).message });
      return;
    }
    this.answer({ reloaded: opened.generation });
  }

  private open(message: RuleMessage): void {
    try {
      this.opened = { ...message, ...openImage(message.image) };
    } catch (error) {
      this.answer({ reloaded: message.generation, refused: (error as Error).message });
    }
  }

  private answer(answer: Answer): void {
    Atomics.sub(this.orders, Order.Reload, 1);
    this.port.postMessage(answer);
  }
}
