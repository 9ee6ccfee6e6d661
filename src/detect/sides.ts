/**
 * Rules with `=>` (user guide, "Rules Format", "Transactional rules"): tests of both directions of one transaction. Such a rule is
 * compiled and filed as two, one for each direction; TxRules remembers which of them has matched, and the second completes the rule.
 *
 *   alert http A any => B 80 (http.uri; content:"a"; http.stat_code; content:"200";)
 *
 *     to server   A any -> B 80    http.uri          ─┐
 *                                                     ├─ both in one transaction, in either order: the rule matches
 *     to client   B 80  -> A any   http.stat_code    ─┘
 */
import { bufferSpec, Way } from '../app-layer/catalogue.js';
import { hashOf } from '../rules/file-values.js';
import type { BufferTests, HeaderOption, Rule } from '../rules/rule.js';

/** The rule is two: see halfOf. */
export function isTwoSided(rule: Rule): boolean {
  return rule.transactional === true && rule.inert === undefined;
}

/** What a two-sided rule asks of one direction, as a rule of its own: endpoints as in packets that go that way. */
export function halfOf(rule: Rule, direction: number): Rule {
  const back = direction === 1;
  const flow = rule.header.find((option) => option.kind === 'flow');
  const header = rule.header.filter((option) => option.kind !== 'flow' && sideOf(option) === direction);
  header.unshift({ kind: 'flow', state: flow?.state, direction: back ? 'to_client' : 'to_server' });
  const half: Partial<Rule> = {
    transactional: false,
    src: back ? rule.dst : rule.src,
    dst: back ? rule.src : rule.dst,
    srcPorts: back ? rule.dstPorts : rule.srcPorts,
    dstPorts: back ? rule.srcPorts : rule.dstPorts,
    buffers: rule.buffers.filter((entry) => wayOf(entry) === direction),
    header,
  };
  if (rule.fileDigests !== undefined) {
    // They are counted off along the options that name lists.
    const lists = rule.header.filter((option) => option.kind === 'app' && hashOf(option.keyword) >= 0);
    half.fileDigests = rule.fileDigests.filter((_, i) => sideOf(lists[i]) === direction);
  }
  return Object.create(rule, Object.getOwnPropertyDescriptors(half)) as Rule;
}

function wayOf({ buffer, way }: BufferTests): number {
  return way === undefined ? bufferSpec(buffer).way : way === 'to_server' ? Way.ToServer : Way.ToClient;
}

/** The direction in which a test without a buffer is asked; what belongs to neither is asked with the server's bytes. */
function sideOf(option: HeaderOption): number {
  if (option.kind !== 'app') return 1;
  if (option.way !== undefined) return option.way === 'to_server' ? 0 : 1;
  return option.keyword === 'urilen' ? 0 : 1;
}
