/**
 * Tests on a packet's headers and its flow as source text: conditions on `p` (Packet), all of which must hold.
 */
import { IpProto } from '../../decode/packet.js';
import type { NumberTest, PacketOption } from '../../rules/packet-option.js';
import { num } from '../codegen.js';

/** Conditions of one option, all of which must hold. */
export function packetTests(o: PacketOption): string[] {
  switch (o.kind) {
    case 'dsize':
      return [numberTest('p.payloadLen', o.test)];
    case 'ttl':
      return ['p.ipVersion !== 0', numberTest('p.ttl', o.test)];
    case 'itype':
      return ['p.icmpType >= 0', numberTest('p.icmpType', o.test)];
    case 'icode':
      return ['p.icmpType >= 0', numberTest('p.icmpCode', o.test)];
    case 'ip_proto':
      return ['p.ipVersion !== 0', `p.proto ${{ '=': '===', '!': '!==', '<': '<', '>': '>' }[o.op]} ${num(o.proto)}`];
    case 'flags': {
      const want = num(o.flags & ~o.ignore & 0xff);
      const flags = `(p.tcpFlags & ${num(~o.ignore & 0xff)})`;
      const test = {
        '': `${flags} === ${want}`,
        '+': `(${flags} & ${want}) === ${want}`,
        '*': `(${flags} & ${want}) !== 0`,
        '!': `(${flags} & ${want}) !== ${want}`,
      };
      return [`p.transportOff >= 0 && p.proto === ${num(IpProto.Tcp)}`, test[o.modifier]];
    }
    case 'flow': {
      // Without a flow nobody knows a direction or a state: only `stateless` and `not_established` hold.
      // only_stream and no_stream hold for every packet until there are streams.
      const tests: string[] = [];
      if (o.direction !== undefined) tests.push(`p.flow >= 0 && p.direction === ${o.direction === 'to_server' ? '0' : '1'}`);
      if (o.state === 'established') tests.push('p.flow >= 0 && p.established === 1');
      if (o.state === 'not_established') tests.push('p.flow < 0 || p.established === 0');
      if (o.frag === 'only_frag') tests.push('p.defragged !== 0');
      if (o.frag === 'no_frag') tests.push('p.defragged === 0');
      return tests;
    }
  }
}

export function numberTest(value: string, t: NumberTest): string {
  const a = num(t.a);
  switch (t.op) {
    case '=':
      return `${value} === ${a}`;
    case '!=':
      return `${value} !== ${a}`;
    case '<':
      return `${value} < ${a}`;
    case '>':
      return `${value} > ${a}`;
    case '<=':
      return `${value} <= ${a}`;
    case '>=':
      return `${value} >= ${a}`;
    case '<>':
      return `${value} > ${a} && ${value} < ${num(t.b)}`;
  }
}
