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

/** The other side: one per process, an order reaches all its detecting threads. */
export class RuleOutbox {
  private readonly threads: { port: MessagePort; orders: Int32Array }[] = [];
  private awaited = 0;

  constructor(private readonly onReloaded: (generation: number) => void) {}

  /** Ends of the line for a new thread. */
  add(): { port: MessagePort; orders: Int32Array; ours: MessagePort } {
    const { port1, port2 } = new MessageChannel();
    const orders = new Int32Array(new SharedArrayBuffer(4 * Order.Words));
    this.threads.push({ port: port1, orders });
    port1.on('message', (answer: { reloaded?: number }) => {
      if (answer.reloaded !== undefined && --this.awaited === 0) this.onReloaded(answer.reloaded);
    });
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
   * between: each step takes a few milliseconds for 25,000 rules.
   */
  take(engine: Engine): void {
    const { opened } = this;
    if (opened === undefined) {
      const received = receiveMessageOnPort(this.port);
      if (received === undefined) return;
      const message = received.message as RuleMessage;
      this.opened = { ...message, ...openImage(message.image) };
      return;
    }
    this.opened = undefined;
    engine.setRules(opened.rules, opened.generation, opened.prepared, opened.datasets);
    Atomics.sub(this.orders, Order.Reload, 1);
    this.port.postMessage({ reloaded: opened.generation });
  }
}
