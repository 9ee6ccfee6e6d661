import { holdDatabases, type RuleImage, shared } from './rule-image.js';

/**
 * The rules of one detecting process. Its threads share one image and one copy of each database; those of the rules before
 * stay until every thread has let go of them.
 */
export class ProcessRules {
  private held: { close(): void }[] = [];

  /** The image for the threads; its databases are in place when this returns. */
  take(rules: RuleImage): Uint8Array {
    const image = { ...rules, bytes: shared(rules.bytes) };
    this.held.push(holdDatabases(image));
    return image.bytes;
  }

  /** Every thread works with what was taken last. */
  settled(): void {
    for (const one of this.held.splice(0, this.held.length - 1)) one.close();
  }
}
