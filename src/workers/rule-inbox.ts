import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { openImage } from '../supervisor/rule-image.js';
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

  take(engine: Engine): void {
    for (let received = receiveMessageOnPort(this.port); received !== undefined; received = receiveMessageOnPort(this.port)) {
      Atomics.sub(this.orders, Order.Reload, 1);
      const { image, generation } = received.message as RuleMessage;
      const { rules, prepared } = openImage(image);
      engine.setRules(rules, generation, prepared);
      this.port.postMessage({ reloaded: generation });
    }
  }
}
