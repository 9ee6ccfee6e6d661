import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIpOnly } from '../../src/detect/plan.js';
import { Act, RuleActions, Scope } from '../../src/detect/rule-actions.js';
import * as build from '../../src/lab/packets.js';
import { rules } from '../support/detect.js';
import { EngineBench } from '../support/engine.js';

const of = (text: string) => {
  const list = rules(text);
  const { action, scope } = new RuleActions(list);
  return { ipOnly: isIpOnly(list[0]), action: action[0] as Act, scope: scope[0] as Scope };
};

test('what is asked once per flow and direction drops the flow, or its second packet would pass', () => {
  for (const text of [
    'drop ip 192.0.2.0/24 any -> any any ()',
    'drop ip any any -> 192.0.2.1 any (ip_proto:6;)',
    'drop ip any any -> any any (iprep:src,Bad,>,50;)',
    'reject ip any any -> $HOME_NET any (iprep:any,Bad,isset;)',
  ])
    assert.deepEqual(of(text), { ipOnly: true, action: Act.Drop, scope: Scope.Flow }, text);
  assert.deepEqual(of('pass ip any any -> any any (iprep:dst,Good,>,10;)'), { ipOnly: true, action: Act.Pass, scope: Scope.Flow });
});

test('what a drop holds for: the flow for addresses, ports and application layers, the stream, or the packet', () => {
  const scopes: [string, Scope][] = [
    ['drop tcp any any -> any 80 ()', Scope.Flow],
    ['drop ftp any any -> any any (ftp.command; content:"X";)', Scope.Flow],
    ['drop tcp any any -> any any (content:"X";)', Scope.Stream],
    ['drop tcp any any -> any any (content:"X"; dsize:<9;)', Scope.Packet],
    ['drop tcp-pkt any any -> any any (content:"X";)', Scope.Packet],
    ['drop tcp any any -> any any (flags:S;)', Scope.Packet],
    ['drop tcp any any -> any 80 (iprep:src,Bad,>,50; ttl:3;)', Scope.Packet],
    ['drop http any any -> any any (flow:established;)', Scope.Flow],
    ['drop http any any -> any any (dsize:0;)', Scope.Packet],
    ['drop tcp any any -> any any (app-layer-protocol:http;)', Scope.Flow],
  ];
  for (const [text, scope] of scopes) assert.equal(of(text).scope, scope, text);
});

const RAW = 101;
const frame = (payload: string, srcPort = 7) => {
  const ends = { src: '192.0.2.7', dst: '10.4.5.6' };
  return build.ipv4({ ...ends, proto: 17 }, build.udp({ ...ends, srcPort, dstPort: 2 }, build.bytes(payload)));
};

test('a pass rule on one packet does not take a flow out of the sight of rules on addresses', () => {
  const bench = new EngineBench({ rules: ['pass udp any any -> any any (content:"hello";)', 'drop ip 192.0.2.0/24 any -> any any ()'] });
  assert.equal(bench.send(frame('hello'), RAW), 'pass');
  assert.equal(bench.send(frame('x'), RAW), 'drop: rules');
  assert.equal(bench.send(frame('hello'), RAW), 'drop: flow drop', 'the whole flow');
  bench.close();
});

test('flows that were there before a reload meet the new rules on addresses', () => {
  const bench = new EngineBench({ rules: ['alert ip 192.0.2.0/24 any -> any any ()'] });
  assert.equal(bench.send(frame('x'), RAW), 'pass');
  bench.engine.setRules(rules('drop ip 192.0.2.0/24 any -> any any ()'), 2);
  assert.equal(bench.send(frame('x'), RAW), 'drop: rules');
  assert.equal(bench.send(frame('x'), RAW), 'drop: flow drop');
  bench.close();
});
