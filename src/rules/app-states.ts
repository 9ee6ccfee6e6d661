/**
 * States of transactions, by the names that `app-layer-state` takes (user guide, "Firewall Mode Design", "Explicit rule hook"), and what
 * each is in the parser's own order (Tx.State).
 */
import { HttpState } from '../app-layer/http/pairs.js';
import { SshState } from '../app-layer/ssh/layout.js';
import { TlsState } from '../app-layer/tls/layout.js';
import { STATE_DONE } from '../app-layer/transactions.js';

/** In the order in which a direction comes through them: the name, and from which own state on it has been reached. */
type States = readonly (readonly [name: string, from: number])[];

/** Of any protocol; `side` as the names begin. */
const any = (side: string): States => [
  [`${side}_started`, 0],
  [`${side}_complete`, STATE_DONE],
];

/** A transaction is seen when its head is complete. */
const http = (side: string): States => [
  [`${side}_started`, 0],
  [`${side}_line`, HttpState.Head],
  [`${side}_headers`, HttpState.Head],
  [`${side}_body`, HttpState.Body],
  [`${side}_trailer`, STATE_DONE],
  [`${side}_complete`, STATE_DONE],
];

const ssh = (side: string): States => [
  [`${side}_in_progress`, 0],
  [`${side}_banner_wait_eol`, SshState.Banner],
  [`${side}_banner_done`, SshState.Banner],
  [`${side}_finished`, STATE_DONE],
];

const TLS: readonly [States, States] = [
  [
    ['client_in_progress', 0],
    ['client_hello_done', TlsState.Hello],
    ['client_cert_done', TlsState.Certificate],
    ['client_handshake_done', TlsState.KeyExchange],
    ['client_finished', STATE_DONE],
  ],
  [
    ['server_in_progress', 0],
    ['server_hello', TlsState.Hello],
    ['server_cert_done', TlsState.Certificate],
    ['server_hello_done', TlsState.HelloDone],
    ['server_handshake_done', STATE_DONE],
    ['server_finished', STATE_DONE],
  ],
];

const pair = (of: (side: string) => States): readonly [States, States] => [of('request'), of('response')];
const OWN: Readonly<Record<string, readonly [States, States]>> = { http: pair(http), http1: pair(http), ssh: pair(ssh), tls: TLS };
const COMMON = pair(any);

export interface StateTest {
  /** Of whose state: 0 the client's, 1 the server's. */
  direction: number;
  /** Own states that pass: from `from` on, below `below`. */
  from: number;
  below: number;
}

/** `state`: reached; `<state`: not yet; `>state`: beyond it. A text says what is wrong with the value, or with the protocol. */
export function stateTest(proto: string, value: string): StateTest | string {
  const op = /^[<>]/.exec(value)?.[0] ?? '';
  const name = value.slice(op.length).trim();
  const lists = [...(Object.hasOwn(OWN, proto) ? OWN[proto] : []), ...COMMON];
  const found = lists.findIndex((states) => states.some(([one]) => one === name));
  if (found < 0) return `takes a state of ${proto} (${lists.flatMap((states) => states.map(([one]) => one)).join(', ')})`;
  const states = lists[found];
  const at = states.findIndex(([one]) => one === name);
  const direction = found & 1;
  if (op === '') return { direction, from: states[at][1], below: END };
  if (op === '<') return at === 0 ? `nothing comes before ${name}` : { direction, from: 0, below: states[at][1] };
  return at === states.length - 1 ? `nothing comes after ${name}` : { direction, from: states[at + 1][1], below: END };
}

/** Above every own state. */
const END = STATE_DONE + 1;
