import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlowVars } from '../../src/detect/state/flow-vars.js';
import { flowKey } from '../../src/detect/state/names.js';
import { Counter } from '../../src/metrics/counters.js';
import { MOST_STATE_BYTES, StateRecordWriter, stateJson } from '../../src/output/state-record.js';

const vars = () => new FlowVars(64, new Float64Array(Counter.Count));
const read = (writer: StateRecordWriter, slot: number) => stateJson(Buffer.from(writer.bytes.subarray(0, writer.write(slot))));

test('flowbits, flowints and entropies in the order they were set; traffic labels by themselves', () => {
  const flow = vars();
  flow.set(3, flowKey('flowbits', 'ET.first'), 1);
  flow.set(3, flowKey('flowint', 'count'), 4_000_000_000);
  flow.set(3, flowKey('flowbits', 'traffic/id/mozilla'), 1);
  flow.set(3, flowKey('flowbits', 'say "hi"'), 1);
  flow.set(3, flowKey('flowbits', 'traffic/label/news'), 1);
  flow.setNumber(3, flowKey('entropy', 'file_data'), 4.150007324019584);
  const writer = new StateRecordWriter(flow);
  assert.deepEqual(JSON.parse(`{"x":0${read(writer, 3)}}`), {
    x: 0,
    metadata: { flowbits: ['ET.first', 'say "hi"'], flowints: { count: 4_000_000_000 }, entropy: { file_data: 4.150007324019584 } },
    traffic: { id: ['mozilla'], label: ['news'] },
  });
  assert.equal(read(writer, 2), '', 'another flow');
  flow.remove(3, flowKey('flowbits', 'ET.first'));
  assert.doesNotMatch(read(writer, 3), /ET\.first/);
});

test('a flow with more than fits: the record ends with a whole item', () => {
  const flow = vars();
  for (let i = 0; i < 40; i++) flow.set(1, flowKey('flowbits', `${i}`.padStart(255, 'x')), 1);
  const writer = new StateRecordWriter(flow);
  const length = writer.write(1);
  assert.ok(length > MOST_STATE_BYTES - 257 && length <= MOST_STATE_BYTES);
  const { metadata } = JSON.parse(`{"x":0${read(writer, 1)}}`) as { metadata: { flowbits: string[] } };
  assert.equal(metadata.flowbits.length, Math.floor(MOST_STATE_BYTES / 257));
  assert.equal(metadata.flowbits.at(-1), '39'.padStart(255, 'x'));
});

test('any bytes give nothing, or the inside of an object', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, plausible) => {
      if (plausible && bytes.length > 1) {
        bytes[0] = 1 + (bytes[0] % 3);
        bytes[1] %= 8;
      }
      assert.doesNotThrow(() => JSON.parse(`{"x":0${stateJson(Buffer.from(bytes))}}`));
    }),
  );
});
