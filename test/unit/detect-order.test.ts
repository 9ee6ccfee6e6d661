import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpProto } from '../../src/decode/packet.js';
import { FlowFlag } from '../../src/flow/codes.js';
import { Bench, packet, rules } from '../support/detect.js';

test('matches come in action order, then by priority, then as loaded', () => {
  const loaded = rules(
    'alert udp any any -> any any (content:"x"; priority:1; sid:1;)',
    'alert udp any any -> any any (content:"x"; sid:2;)',
    'drop udp any any -> any any (content:"x"; priority:2; sid:3;)',
    'alert udp any any -> any any (dsize:1; sid:4;)',
    'drop udp any any -> any any (content:"x"; priority:1; sid:5;)',
    'alert udp any any -> any any (content:"x"; sid:6;)',
    'alert udp any any -> any any (ttl:64; sid:7;)',
  );
  const bench = new Bench(loaded.map((r) => (r.sid === 2 ? { ...r, action: 'reject' } : r.sid === 7 ? { ...r, action: 'rejectboth' } : r)));
  assert.equal(bench.sids(packet({ payload: 'x' })), '5 3 2 7 1 4 6');
});

test('a pass rule that matches stands alone', () => {
  const bench = new Bench(
    rules(
      'drop udp any any -> any any (content:"x"; sid:1;)',
      'pass udp any any -> any any (content:"y"; priority:2; sid:2;)',
      'pass udp any any -> any 53 (content:"y"; priority:1; sid:3;)',
    ),
  );
  assert.equal(bench.sids(packet({ payload: 'xy', dport: 53 })), '3');
  assert.equal(bench.sids(packet({ payload: 'xy', dport: 54 })), '2');
  assert.equal(bench.sids(packet({ payload: 'x', dport: 53 })), '1');
});

test('noalert is silent', () => {
  const bench = new Bench(rules('drop udp any any -> any any (content:"x"; noalert; sid:1;)'));
  assert.equal(bench.sids(packet({ payload: 'x' })), '~1');
});

test('an IP-only rule matches once per flow and direction', () => {
  const bench = new Bench(rules('alert ip any any -> any any (sid:1;)', 'alert tcp 10.0.0.0/8 any -> any any (sid:2;)'));
  const spec = { proto: IpProto.Tcp, flow: 1 };
  assert.equal(bench.sids(packet({ ...spec, direction: 0 })), '1 2');
  assert.equal(bench.sids(packet({ ...spec, direction: 0 })), '');
  assert.equal(bench.sids(packet({ ...spec, direction: 1 })), '1 2');
  assert.equal(bench.sids(packet({ ...spec, direction: 1 })), '');
  assert.equal(bench.flows.flags[1], FlowFlag.IpOnlyTs | FlowFlag.IpOnlyTc);
  assert.equal(bench.flows.flags[0], 0);
  assert.equal(bench.sids(packet({ ...spec, flow: 2 })), '1 2');
});

test('without a flow an IP-only rule matches every packet', () => {
  const bench = new Bench(rules('alert ip any any -> any any (sid:1;)'));
  for (let i = 0; i < 3; i++) assert.equal(bench.sids(packet({ proto: IpProto.Gre })), '1');
});

test('ports, flow, other tests and negated addresses make it a packet rule', () => {
  const bench = new Bench(
    rules(
      'alert tcp any any -> any 80 (sid:1;)',
      'alert tcp any any -> any any (flow:to_server; sid:2;)',
      'alert tcp any any -> any any (flags:S; sid:3;)',
      'alert tcp !192.0.2.0/24 any -> any any (sid:4;)',
      'alert ip any any -> any any (ip_proto:6; sid:5;)',
    ),
  );
  const spec = { proto: IpProto.Tcp, flow: 0, dport: 80, flags: 2 };
  assert.equal(bench.sids(packet(spec)), '1 2 3 4 5');
  assert.equal(bench.sids(packet(spec)), '1 2 3 4');
});

test('a bidirectional rule is reported once', () => {
  const many = Array.from({ length: 20 }, (_, i) => `alert udp any any <> any ${1000 + i} (sid:${i + 1};)`);
  const bench = new Bench(rules(...many));
  assert.equal(bench.sids(packet({ sport: 1003, dport: 1003 })), '4');
  assert.equal(bench.sids(packet({ sport: 1003, dport: 9 })), '4');
  assert.equal(bench.sids(packet({ sport: 9, dport: 1003 })), '4');
  assert.equal(bench.sids(packet({ sport: 1003, dport: 1004 })), '4 5');
});

test('the direction of a rule picks its group', () => {
  const bench = new Bench(
    rules(
      'alert tcp any any -> any any (flow:to_server; content:"x"; sid:1;)',
      'alert tcp any any -> any any (flow:to_client; content:"x"; sid:2;)',
      'alert tcp any any -> any any (content:"x"; sid:3;)',
    ),
  );
  assert.equal(bench.sids(packet({ proto: IpProto.Tcp, flow: 0, direction: 0, payload: 'x' })), '1 3');
  assert.equal(bench.sids(packet({ proto: IpProto.Tcp, flow: 0, direction: 1, payload: 'x' })), '2 3');
});

test('no rules, no matches', () => {
  assert.equal(new Bench([]).sids(packet({ payload: 'x' })), '');
});
