import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Origin } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection, type ConnectionOptions } from '../support/connection.js';
import { rules } from '../support/detect.js';

const rule = (tests: string, header = 'alert tcp any any -> any any') => `${header} (${tests} sid:1;)`;

/** Sends the pieces one behind the other; the alerts after each. */
function alertsOf(options: ConnectionOptions, ...pieces: string[]): number[] {
  const c = new Connection(options);
  let at = 0;
  const seen = pieces.map((piece) => {
    c.client(at, piece);
    at += piece.length;
    if (options.mode === Mode.Ids) {
      c.ack(at);
      // What was acknowledged is looked at with the next packet of its direction.
      c.segment(0, 16, at, 0);
    }
    return c.bench.alerts();
  });
  c.close();
  return seen;
}

for (const mode of [Mode.Ips, Mode.Ids]) {
  describe(`rules on streams, ${mode === Mode.Ips ? 'inline' : 'listening'}`, () => {
    it('a content that two segments share', () => {
      assert.deepEqual(alertsOf({ mode, rules: [rule('content:"evilword";')] }, 'a evil', 'word b'), [0, 1]);
    });

    it('a content that begins in the data of a SYN (fast open)', () => {
      const c = new Connection({ mode, rules: [rule('content:"evilword";')], early: 'a evil' });
      c.client(6, 'word b');
      c.ack(12);
      c.segment(0, 16, 12, 0);
      assert.equal(c.close(), 1);
    });

    it('a content in single bytes, and behind it nothing is found twice', () => {
      const pieces = [...'x evilword y'];
      const seen = alertsOf({ mode, rules: [rule('content:"evilword";')] }, ...pieces);
      assert.deepEqual(
        seen,
        pieces.map((_, i) => (i < 9 ? 0 : 1)),
      );
    });

    it('the same bytes match once, on the packet or on the stream; new ones match again', () => {
      assert.deepEqual(alertsOf({ mode, rules: [rule('content:"evil";')] }, 'evil', 'more', 'ev', 'il', 'evil', 'x'), [1, 1, 1, 2, 3, 3]);
    });

    it('contents in segments of their own, in any order of the rule', () => {
      assert.deepEqual(
        alertsOf({ mode, rules: [rule('content:"first"; content:"second"; distance:2;')] }, 'first', '..', 'second'),
        [0, 0, 1],
      );
      assert.deepEqual(alertsOf({ mode, rules: [rule('content:"aa"; content:"bbbbbbb";')] }, 'bbbbbbb', 'x', 'aa'), [0, 0, 1]);
    });

    it('a regular expression with and without a literal', () => {
      assert.deepEqual(alertsOf({ mode, rules: [rule('content:"user="; pcre:"/user=[a-z]+!/";')] }, 'user=ab', 'cd', '!'), [0, 0, 1]);
      assert.deepEqual(alertsOf({ mode, rules: [rule('pcre:"/us[e]r=[a-z]+!/";')] }, 'user=ab', 'cd', '!'), [0, 0, 1]);
    });

    it('what is further apart than the window is not seen together', () => {
      const far = { mode, rules: [rule('content:"first"; content:"second";')], chunkSizes: [300, 300] as [number, number] };
      assert.deepEqual(alertsOf(far, 'first', '.'.repeat(200), 'second'), [0, 0, 1]);
      assert.deepEqual(alertsOf(far, 'first', ...Array.from({ length: 8 }, () => '.'.repeat(200)), 'second').at(-1), 0);
    });

    it('a literal that comes again waits again', () => {
      const options = { mode, rules: [rule('content:"first"; content:"xx"; within:8;')], chunkSizes: [300, 300] as [number, number] };
      assert.deepEqual(alertsOf(options, 'first', '.'.repeat(290), 'first', '.'.repeat(3), 'xx').at(-1), 1);
    });

    it('a place in the stream is one in the stream', () => {
      const options = { mode, rules: [rule('content:"cdef"; offset:2; depth:4;')] };
      assert.deepEqual(alertsOf(options, 'ab', 'cd', 'ef'), [0, 0, 1]);
      assert.deepEqual(alertsOf(options, 'abx', 'cd', 'ef'), [0, 0, 0]);
      assert.deepEqual(alertsOf({ mode, rules: [rule('content:"abcd"; startswith;')] }, 'xx', 'ab', 'cd'), [0, 0, 0]);
      assert.deepEqual(alertsOf({ mode, rules: [rule('pcre:"/^abcd/";')] }, 'ab', 'cd'), [0, 1]);
      assert.deepEqual(alertsOf({ mode, rules: [rule('pcre:"/^abcd/";')] }, 'x', 'ab', 'cd'), [0, 0, 0]);
    });

    it('rules on packets do not look across them', () => {
      for (const tests of ['content:"evilword"; dsize:<100;', 'content:"evilword"; flags:PA;', 'flow:no_stream; content:"evilword";'])
        assert.deepEqual(alertsOf({ mode, rules: [rule(tests)] }, 'evil', 'word'), [0, 0], tests);
      assert.deepEqual(
        alertsOf({ mode, rules: [rule('content:"evilword";', 'alert tcp-pkt any any -> any any')] }, 'evil', 'word'),
        [0, 0],
      );
    });

    it('tcp-stream and only_stream see the stream, once', () => {
      for (const one of [rule('content:"evil";', 'alert tcp-stream any any -> any any'), rule('flow:only_stream; content:"evil";')])
        assert.deepEqual(alertsOf({ mode, rules: [one] }, 'evil', 'ev', 'il'), [1, 1, 2], one);
    });

    it('ports, direction and addresses count', () => {
      const at = (ports: string) =>
        alertsOf({ mode, rules: [rule('content:"evilword";', `alert tcp any any -> any ${ports}`)] }, 'evil', 'word');
      assert.deepEqual(
        [at('4321'), at('80')],
        [
          [0, 1],
          [0, 0],
        ],
      );
      assert.deepEqual(alertsOf({ mode, rules: [rule('flow:to_client; content:"evilword";')] }, 'evil', 'word'), [0, 0]);
      assert.deepEqual(alertsOf({ mode, rules: [rule('flow:to_server,established; content:"evilword";')] }, 'evil', 'word'), [0, 1]);
    });

    it('the alert shows the stream', () => {
      const c = new Connection({ mode, rules: [rule('content:"evilword";')] });
      c.client(0, 'an evil');
      c.client(7, 'word.');
      c.ack(12);
      c.segment(0, 16, 12, 0);
      assert.deepEqual(c.alerts(), [{ rule: 0, payload: 'an evilword.', origin: Origin.Stream }]);
      c.close();
    });

    it('what many rules wait for is found all the same', () => {
      const many = Array.from(
        { length: 300 },
        (_, i) => `alert tcp any any -> any any (content:"literal"; content:"v${i}v"; sid:${i + 1};)`,
      );
      const c = new Connection({ mode, rules: many });
      c.client(0, 'literal ');
      c.client(8, 'v299v v7v');
      c.ack(17);
      c.segment(0, 16, 17, 0);
      assert.deepEqual(new Set(c.alerts().map(({ rule }) => rule)), new Set([299, 7]));
      assert.ok(c.bench.counters[Counter.StreamRescans] > 0);
      c.close();
    });

    it('new rules: the old ones are not waited for any more, the new ones see what comes across', () => {
      const c = new Connection({ mode, rules: [rule('content:"first"; content:"second";')] });
      c.client(0, 'first..another');
      c.ack(14);
      c.bench.engine.setRules(rules('alert tcp any any -> any any (content:"nothing"; sid:5;)', rule('content:"otherone"; ')), 1);
      c.client(14, 'one second');
      c.ack(24);
      c.segment(0, 16, 24, 0);
      assert.deepEqual(
        c.alerts().map(({ rule }) => rule),
        [1],
      );
      c.close();
    });

    it('new rules: what they find in bytes before and behind, and not what lies before alone', () => {
      const given = [rule('content:"firstlong"; content:"se"; distance:0;'), 'alert tcp any any -> any any (content:"early"; sid:2;)'];
      const c = new Connection({ mode, rules: given });
      c.client(0, 'early firstlong ............');
      c.ack(28);
      c.segment(0, 16, 28, 0);
      assert.deepEqual(
        c.alerts().map(({ rule }) => rule),
        [1],
      );
      c.bench.engine.setRules(rules(...given), 1);
      c.client(28, 'se');
      c.ack(30);
      c.client(30, 'more');
      c.ack(34);
      c.segment(0, 16, 34, 0);
      assert.deepEqual(
        c.alerts().map(({ rule }) => rule),
        [0],
      );
      c.close();
    });

    it('a flow that nobody watched is watched when new rules want it', () => {
      const c = new Connection({ mode, rules: [rule('content:"evilword";', 'alert tcp any any -> any 80')] });
      c.client(0, 'hello');
      c.ack(5);
      c.bench.engine.setRules(rules(rule('content:"evilword";')), 1);
      c.client(5, 'evil');
      c.client(9, 'word');
      c.ack(13);
      c.segment(0, 16, 13, 0);
      assert.equal(c.close(), 1);
    });

    it('memory comes back', () => {
      const c = new Connection({ mode, rules: [rule('content:"first"; content:"second";')] });
      c.client(0, 'first');
      c.client(5, 'x'.repeat(1000));
      c.ack(1005);
      c.segment(0, 16, 1005, 0);
      const { windows } = (c.bench.engine as unknown as { app: { order: { windows: { active: number } } } }).app.order;
      assert.equal(windows.active, 1);
      c.close();
      assert.equal(windows.active, 0);
    });
  });
}

describe('inline', () => {
  const drop = rule('content:"evilword";', 'drop tcp any any -> any any');

  it('the segment that completes a match is dropped, and what follows', () => {
    const c = new Connection({ rules: [drop] });
    assert.equal(c.client(0, 'an evil'), 'pass');
    assert.equal(c.client(7, 'word'), 'drop: rules');
    assert.equal(c.client(11, 'harmless'), 'drop: flow drop');
    assert.equal(c.server(0, 'answer'), 'drop: flow drop');
    assert.equal(c.close(), 1);
  });

  it('segments the wrong way round: the one that fills the hole', () => {
    const c = new Connection({ rules: [drop] });
    assert.equal(c.client(4, 'word'), 'pass');
    assert.equal(c.client(0, 'evi'), 'pass');
    assert.equal(c.client(3, 'l'), 'drop: rules');
    c.close();
  });

  it('a match on held bytes alone, found when they are delivered, is found once', () => {
    const c = new Connection({ rules: [rule('content:"evilword";')] });
    c.client(4, 'evil');
    c.client(8, 'word');
    assert.equal(c.bench.alerts(), 0);
    c.client(0, 'abcd');
    assert.equal(c.close(), 1);
  });

  it('a packet that is not taken says nothing about the stream', () => {
    const c = new Connection({ rules: [rule('content:"evilword";')] });
    // Far beyond the window: whoever sends it must not make the rule blind.
    c.client(1 << 28, 'evilword');
    const before = c.bench.alerts();
    c.client(0, 'evil');
    c.client(4, 'word');
    assert.equal(c.close(), before + 1);
  });

  it('no large window left: counted, and the last bytes are there all the same', () => {
    const c = new Connection({ rules: [rule('content:"evilword";')], memcap: 1 << 18, chunkSizes: [90_000, 90_000] });
    c.client(0, 'x'.repeat(1000));
    assert.equal(c.bench.counters[Counter.StreamWindowsRefused], 0);
    c.server(0, 'x'.repeat(1000));
    c.server(1000, 'evil');
    assert.ok(c.bench.counters[Counter.StreamWindowsRefused] > 0);
    c.server(1004, 'word');
    assert.equal(c.close(), 1);
  });

  it('beyond the depth packets are looked at by themselves', () => {
    const c = new Connection({ rules: [rule('content:"evilword";')], depth: 100 });
    c.client(0, 'x'.repeat(100));
    c.client(100, 'evil');
    c.client(104, 'word');
    assert.equal(c.bench.alerts(), 0);
    c.client(108, 'evilword');
    assert.equal(c.close(), 1);
  });
});

describe('listening', () => {
  it('what was never acknowledged is looked at when the flow ends', () => {
    const c = new Connection({ mode: Mode.Ids, rules: [rule('content:"evilword";')] });
    c.client(0, 'evil');
    c.client(4, 'word');
    assert.equal(c.bench.alerts(), 0);
    c.bench.engine.flows.endAll();
    assert.deepEqual(c.alerts(), [{ rule: 0, payload: 'evilword', origin: Origin.Stream | Origin.FlowEnd }]);
    c.close();
  });

  it('what is acknowledged is looked at with the next packet of its direction, or at the end', () => {
    const c = new Connection({ mode: Mode.Ids, rules: [rule('content:"evilword";')] });
    c.client(0, 'evilword');
    c.ack(8);
    assert.equal(c.bench.alerts(), 0);
    c.client(8, 'more');
    assert.equal(c.bench.alerts(), 1);
    c.ack(12);
    c.client(12, 'evilword');
    c.ack(20);
    c.bench.engine.flows.endAll();
    assert.deepEqual(
      c.alerts().map(({ origin }) => origin & Origin.FlowEnd),
      [0, Origin.FlowEnd],
    );
    c.close();
  });

  it('bytes that are missing part what was before from what comes', () => {
    const c = new Connection({ mode: Mode.Ids, rules: [rule('content:"evilword";')] });
    c.client(0, 'evil');
    c.client(10, 'word');
    c.ack(14);
    c.client(14, 'x');
    c.ack(15);
    c.client(15, 'x');
    assert.equal(c.close(), 0);
  });
});

describe('too little memory', () => {
  it('a window that is found later does not begin with the stream', () => {
    const c = new Connection({ rules: [rule('content:"abcd"; startswith; content:"zz";')], memcap: 65_536 });
    const others = Array.from({ length: 4 }, (_, i) => new Connection({ rules: [], bench: c.bench, clientPort: 41_000 + i }));
    for (const other of others) other.client(0, 'q');
    c.client(0, 'xxxx');
    for (const other of others) other.segment(0, 20, 1, 0);
    c.bench.now += 100;
    c.bench.engine.tick(c.bench.now);
    c.client(4, 'abcd');
    c.client(8, 'zz');
    assert.equal(c.close(), 0);
  });

  it("what the acknowledgement of a refused packet delivers is that flow's, and is looked at", () => {
    const c = new Connection({ rules: [rule('content:"evilword";', 'alert tcp any any -> any 4321')], memcap: 65_536 });
    c.client(10, 'evil');
    let verdict = 'pass';
    for (let clientPort = 41_000; verdict === 'pass'; clientPort++)
      verdict = new Connection({ rules: [], bench: c.bench, port: 999, clientPort }).client(0, 'G');
    assert.equal(c.server(0, 'data', 14), 'drop: stream memcap');
    const [src, dst] = ['10.9.8.7', '192.0.2.7'];
    const datagram = build.udp({ src, dst, srcPort: 4000, dstPort: 5300 }, build.bytes('word'));
    assert.equal(c.bench.send(build.ipv4({ src, dst, proto: 17 }, datagram), 101), 'pass');
    assert.equal(c.bench.alerts(), 0);
    c.client(14, 'word');
    assert.equal(c.close(), 1);
  });
});

it('async-oneside: a session picked up midstream that nobody answers is looked at as it comes', () => {
  const rules = [rule('http.uri; content:"evil";', 'alert http any any -> any any'), rule('content:"evilword";').replace('sid:1', 'sid:2')];
  const seen = (oneside: boolean) => {
    const c = new Connection({ mode: Mode.Ids, rules, port: 80, midstream: { oneside } });
    c.client(0, 'GET /evil HTTP/1.1\r\nHost: evil');
    c.client(30, 'word\r\n\r\n');
    const alone = c.bench.alerts();
    c.ack(38);
    c.segment(0, 16, 38, 0);
    const answered = c.bench.alerts();
    c.close();
    return [alone, answered];
  };
  assert.deepEqual(seen(true), [2, 2]);
  assert.deepEqual(seen(false), [0, 2]);
});
