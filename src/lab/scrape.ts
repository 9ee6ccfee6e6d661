/**
 * Fetches a URL each time a line comes on stdin, and answers with one line of JSON: the body, or null.
 * A namespace's loopback can be reached only from a process inside; the lab keeps this one there.
 *
 *   node scrape.js <url>
 */
import { createInterface } from 'node:readline';

const url = process.argv[2];
for await (const _ of createInterface({ input: process.stdin })) {
  let body: string | null = null;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    if (response.ok) body = await response.text();
  } catch {
    // Not up yet, or gone: null says so.
  }
  process.stdout.write(`${JSON.stringify(body)}\n`);
}
