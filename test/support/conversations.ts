import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as build from '../../src/lab/packets.js';
import { Connection } from './connection.js';

export type Turn = [side: 0 | 1, bytes: string | Uint8Array];
/** `reason`: of the drop that must be among the verdicts. */
export type Conversation = [name: string, port: number, reason: string, turns: Turn[]];

/** Says the turns one after the other, each acknowledging the last, `from` so many bytes of either side on; what became of the packets. */
export function talk(c: Connection, turns: Turn[], from: [number, number] = [0, 0]): string[] {
  const at = [...from];
  const verdicts: string[] = [];
  for (const [side, text] of turns) {
    const bytes = build.bytes(text);
    for (let i = 0; i < bytes.length; i += 1400) {
      const part = bytes.subarray(i, i + 1400);
      verdicts.push(side === 0 ? c.client(at[0], part, at[1]) : c.server(at[1], part, at[0]));
      at[side] += part.length;
    }
  }
  return verdicts;
}

/** Conversations that a rule inline must not let pass. */
export function conversations(name: string, rules: string[], cases: Conversation[]): void {
  it(name, () => {
    const first = new Connection({ rules });
    let clientPort = 41_000;
    for (const [what, port, reason, turns] of cases) {
      const c = new Connection({ rules, port, bench: first.bench, clientPort: clientPort++ });
      assert.ok(talk(c, turns).includes(`drop: ${reason}`), what);
    }
    first.close();
  });
}
