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
import type { BufferTests, HeaderOption, Rule } from '../rules/rule.js';

/** The rule is two: see halfOf. */
export function isTwoSided(rule: Rule): boolean {
  return rule.transactional === true && rule.inert === undefined;
}

/** What a two-sided rule asks of one direction, as a rule of its own: endpoints as in packets that go that way. */
export function halfOf(rule: Rule, direction: number): Rule {
  const back = direction === 1;
  const half: Rule = {
    ...wholeOf(rule),
    transactional: false,
    bidirectional: false,
    src: back ? rule.dst : rule.src,
    dst: back ? rule.src : rule.dst,
    srcPorts: back ? rule.dstPorts : rule.srcPorts,
    dstPorts: back ? rule.srcPorts : rule.dstPorts,
    buffers: rule.buffers.filter((entry) => wayOf(entry) === direction),
    header: rule.header.filter((option) => option.kind !== 'flow' && sideOf(option) === direction),
  };
  const flow = rule.header.find((option) => option.kind === 'flow');
  half.header.unshift({ kind: 'flow', state: flow?.state, direction: back ? 'to_client' : 'to_server' });
  // Digests are counted off along the options that name lists.
  if (rule.fileDigests !== undefined) {
    const lists = rule.header.filter((option) => option.kind === 'app' && /^file(md5|sha1|sha256)$/.test(option.keyword));
    half.fileDigests = rule.fileDigests.filter((_, i) => sideOf(lists[i]) === direction);
  }
  return half;
}

/** Fields of a rule that may be read lazily (rule-table.ts), as its own. */
function wholeOf(rule: Rule): Rule {
  const whole: Record<string, unknown> = {};
  for (const name in rule) whole[name] = rule[name as keyof Rule];
  return whole as unknown as Rule;
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
