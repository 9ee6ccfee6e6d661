import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BufferId } from '../../src/app-layer/buffers.js';
import { FTP_EVENTS, FtpTx } from '../../src/app-layer/ftp/layout.js';
import { portOfExtended, portOfExtendedPassive, portOfHostPort, portOfPassive } from '../../src/app-layer/ftp/ports.js';
import { ftpDynamicPort, ftpMode, ftpReplyReceived } from '../../src/app-layer/ftp/tests.js';
import { Tx } from '../../src/app-layer/transactions.js';
import { AppRecordWriter, appRecordJson } from '../../src/output/app-record.js';
import { latin1, Talk } from './app-layer-fixture.js';
import { A, F } from './flow-fixture.js';

interface FtpRecord {
  command?: string;
  command_data?: string;
  command_truncated?: boolean;
  completion_code?: string[];
  reply?: string[];
  dynamic_port?: number;
  mode?: string;
  reply_received: string;
  reply_truncated: boolean;
}

/** A dialogue of whole packets, `> ` from the client and `< ` from the server; `records` of the transactions that ended. */
class Dialogue extends Talk {
  readonly records: FtpRecord[] = [];
  readonly replies: string[] = [];
  readonly codes: string[] = [];
  readonly events: string[] = [];
  /** ftp.dynamic_port, ftp.mode, ftp.reply_received of each moment to server. */
  readonly values: number[][] = [];
  private fromClient = 0;
  private fromServer = 0;
  private readonly writer = new AppRecordWriter();

  constructor(port = 21, app: ConstructorParameters<typeof Talk>[0] = {}) {
    super({ port, ...app });
    this.open();
  }

  say(...packets: string[]): this {
    for (const packet of packets) {
      const bytes = packet.slice(2);
      if (packet.startsWith('>')) {
        this.client(this.fromClient, bytes, { ack: 5001 + this.fromServer });
        this.fromClient += bytes.length;
      } else {
        this.server(this.fromServer, bytes, 1001 + this.fromClient);
        this.fromServer += bytes.length;
      }
      this.look();
    }
    return this;
  }

  /** The flow ends. */
  bye(): this {
    this.c(F | A, 1001 + this.fromClient, 5001 + this.fromServer);
    this.app.finish(this.p.flow);
    this.look();
    return this;
  }

  private look(): void {
    const { app } = this;
    const { buffers } = app;
    for (let i = 0; i < (this.result ?? 0) && i < app.txs.count; i++) {
      app.select(i);
      const words = app.txs.words;
      const bits = words[app.tx * Tx.Words + FtpTx.Events];
      FTP_EVENTS.forEach((name, bit) => {
        if ((bits & (1 << bit)) !== 0 && !this.events.includes(name)) this.events.push(name);
      });
      if (app.direction === 0) this.values.push([ftpDynamicPort(words, app.tx), ftpMode(words, app.tx), ftpReplyReceived(words, app.tx)]);
      else {
        this.replies.push(this.all(BufferId.FtpReply).join('|'));
        this.codes.push(this.all(BufferId.FtpCompletionCode).join(' '));
      }
      assert.equal(buffers.len[app.direction === 0 ? BufferId.FtpReply : BufferId.FtpCommand], -1);
    }
    app.settle((tx) => {
      this.writer.reset();
      app.parserOf(tx).record(tx, this.writer);
      const proto = app.parserOf(tx).proto;
      this.records.push(JSON.parse(appRecordJson(proto, Buffer.from(this.writer.bytes.subarray(0, this.writer.length)))) as FtpRecord);
    });
  }

  private all(id: BufferId): string[] {
    const { buffers } = this.app;
    const found: string[] = [];
    for (let at: number = id; at >= 0 && buffers.len[at] >= 0; at = buffers.next[at])
      found.push(Buffer.from(buffers.mem[at].subarray(buffers.off[at], buffers.off[at] + buffers.len[at])).toString('latin1'));
    return found;
  }
}

test('a session: commands, replies, ports', () => {
  const d = new Dialogue().say(
    '< 220 (hello)\r\n',
    '> USER anonymous\r\n',
    '< 331 Please\r\n',
    '> PASV\r\n',
    '< 227 Entering Passive Mode (10,0,0,2,195,80).\r\n',
    '> RETR a b.txt\r\n',
    '< 150 Here\r\n',
    '< 226 Done\r\n',
    '> QUIT\r\n',
    '< 221 Bye\r\n',
  );
  const rest = { reply_received: 'yes', reply_truncated: false };
  assert.deepEqual(d.records, [
    { completion_code: ['220'], reply: ['(hello)'], ...rest },
    { command: 'USER', command_data: 'anonymous', command_truncated: false, completion_code: ['331'], reply: ['Please'], ...rest },
    { command: 'PASV', completion_code: ['227'], reply: ['Entering Passive Mode (10,0,0,2,195,80).'], dynamic_port: 50000, ...rest },
    {
      command: 'RETR',
      command_data: 'a b.txt',
      command_truncated: false,
      completion_code: ['150', '226'],
      reply: ['Here', 'Done'],
      ...rest,
    },
    { command: 'QUIT', completion_code: ['221'], reply: ['Bye'], ...rest },
  ]);
  assert.deepEqual(d.codes, ['220', '331', '227', '150', '150 226', '221']);
  assert.deepEqual(d.replies.slice(-2), ['Here|Done', 'Bye']);
  assert.deepEqual(d.values, [
    [-1, -1, 0],
    [-1, -1, 0],
    [50000, 0, 1],
    [-1, -1, 0],
    [-1, -1, 0],
  ]);
  assert.deepEqual(d.events, []);
});

test('PORT and EPRT: active once the server agrees', () => {
  const d = new Dialogue().say(
    '> PORT 10,0,0,1,4,1\r\n',
    '< 200 ok\r\n',
    '> EPRT |2|::1|2049|\r\n',
    '< 200 ok\r\n',
    '> PORT 10,0,0,1,4,1\r\n',
    '< 500 no\r\n',
    '> EPSV\r\n',
    '< 229 Extended (|||2050|)\r\n',
    '> PASV\r\n',
    '< 425 no (1,2,3,4,5,6)\r\n',
  );
  assert.deepEqual(
    d.records.map(({ command, mode, dynamic_port }) => [command, mode, dynamic_port]),
    [
      ['PORT', 'active', 1025],
      ['EPRT', 'active', 2049],
      ['PORT', 'passive', undefined],
      ['EPSV', undefined, 2050],
      ['PASV', undefined, undefined],
    ],
  );
});

test('a reply of several lines is one, wherever its packets end, also when commands wait', () => {
  const d = new Dialogue().say('> HELP\r\nNOOP\r\n', '< 214-a\r\n b\r\n', '< 213 c\r\n214', '< -d\r\n214 e\r\n2', '< 00 f\r\n');
  assert.deepEqual(
    d.records.map(({ command, completion_code, reply }) => [command, completion_code, reply]),
    [
      ['HELP', ['214', '213', '214', '214'], ['a', ' b', 'c', 'd', 'e']],
      ['NOOP', ['200'], ['f']],
    ],
  );
});

test('what is no reply: text ends the oldest transaction, and the rest of the packet goes with it', () => {
  const d = new Dialogue(110).say('> USER x\r\nPASS y\r\n', '< +OK a\r\n+OK b\r\nc\r\n', '< d\r\n');
  assert.deepEqual(
    d.records.map(({ command, reply }) => [command, reply]),
    [
      ['USER', ['+OK a']],
      ['PASS', ['+OK b', 'c']],
      [undefined, ['d']],
    ],
  );
});

test('the greeting answers no command', () => {
  const d = new Dialogue().say('> USER x\r\n', '< 220-a\r\n', '< 220 b\r\n331 c\r\n');
  assert.deepEqual(
    d.records.map(({ command, reply }) => [command, reply]),
    [
      ['USER', ['c']],
      [undefined, ['a', 'b']],
    ],
  );
});

test('a command that nobody knows has a record when it is answered', () => {
  const d = new Dialogue().say('> FEAT\r\n', '< 211 x\r\n', '> XYZZY\r\nNOOP\r\n').bye();
  assert.deepEqual(
    d.records.map(({ command, reply_received }) => [command, reply_received]),
    [
      ['FEAT', 'yes'],
      ['NOOP', 'no'],
    ],
  );
});

test('events: lines too long, a file without a port, too many transactions', () => {
  assert.deepEqual(new Dialogue().say(`> CWD ${'a'.repeat(4091)}\r\n`).events, [], 'CR counts');
  assert.deepEqual(new Dialogue().say(`> CWD ${'a'.repeat(4092)}\r\n`).events, ['request_command_too_long']);
  const long = new Dialogue().say(`> CWD ${'a'.repeat(5000)}\r\n`, '< 200 x\r\n');
  assert.equal(long.records[0].command_data?.length, 4092);
  assert.equal(long.records[0].command_truncated, true);
  assert.deepEqual(new Dialogue().say('> NOOP\r\n', `< 200 ${'a'.repeat(5000)}\r\n`).events, ['response_command_too_long']);
  assert.deepEqual(new Dialogue().say('> RETR x\r\n').events, ['file_before_port']);
  assert.deepEqual(new Dialogue().say('> PASV\r\nRETR x\r\n', '< 227 (1,2,3,4,5,6)\r\n').events, ['file_before_port']);
  assert.deepEqual(new Dialogue().say(`> ${'PWD\r\n'.repeat(1024)}`).events, []);
  assert.deepEqual(new Dialogue().say(`> ${'PWD\r\n'.repeat(1025)}`).events, ['too_many_transactions']);
});

test('500 commands without an answer are 500 records', () => {
  const d = new Dialogue();
  for (let i = 0; i < 500; i++) {
    d.say(`> PORT 10,0,0,1,4,${i & 255}\r\n`);
    d.s(A, 5001, d.p.tcpSeq + d.p.payloadLen);
  }
  d.bye();
  assert.equal(d.records.length, 500);
  assert.deepEqual(d.records[499], {
    command: 'PORT',
    command_data: '10,0,0,1,4,243',
    command_truncated: false,
    mode: 'passive',
    reply_received: 'no',
    reply_truncated: false,
  });
});

test('ports as they are told', () => {
  const of = (read: typeof portOfPassive, text: string) => read(latin1(text), 0, text.length);
  const cases: [typeof portOfPassive, string, number][] = [
    [portOfHostPort, '10,0,0,1,4,1', 1025],
    [portOfHostPort, '10,0,0,1,255,255 x', 65535],
    [portOfHostPort, '10,0,0,1,256,1', 0],
    [portOfHostPort, '10,0,0,1,4', 0],
    [portOfHostPort, '10,0,0,1,4,', 0],
    [portOfHostPort, '10.0.0.1,4,1', 0],
    [portOfPassive, 'Entering Passive Mode (205,167,25,101,243,251).', 62459],
    [portOfPassive, 'Entering Passive Mode 205,167,25,101,243,251', 62459],
    [portOfPassive, '4 of 1999,205,167,25,101,243,251', 62459],
    [portOfPassive, 'no', 0],
    [portOfExtendedPassive, 'Entering (|||57086|)', 57086],
    [portOfExtendedPassive, 'Entering (!!!57086!)', 57086],
    [portOfExtendedPassive, 'Entering (||57086|)', 0],
    [portOfExtendedPassive, 'Entering (|||65536|)', 0],
    [portOfExtendedPassive, 'Entering (|||', 0],
    [portOfExtended, '|1|10.0.0.1|6275|', 6275],
    [portOfExtended, '|2|2001:db8::1|6275|', 6275],
    [portOfExtended, '|2|2001:db8::1|6275', 0],
    [portOfExtended, '', 0],
  ];
  for (const [read, text, port] of cases) assert.equal(of(read, text), port, text);
});

test('ports: nothing beyond the text is read, and what comes out is a port', () => {
  const text = fc.array(fc.constantFrom(...'0123456789,,,,|||() a'), { maxLength: 60 }).map((list) => list.join(''));
  fc.assert(
    fc.property(text, fc.constantFrom(portOfHostPort, portOfPassive, portOfExtendedPassive, portOfExtended), (inside, read) => {
      const ports = ['1,2,3,4,5,6|7|', '|)99,'].map((around) =>
        read(latin1(around + inside + around), around.length, around.length + inside.length),
      );
      assert.equal(ports[0], ports[1]);
      assert.ok(ports[0] >= 0 && ports[0] <= 65535);
    }),
  );
});

test('however the replies are cut, the records are the same', () => {
  const line = fc.constantFrom('220 a', '150 b', '226 c', '214-d\r\n e\r\n214 f', '331 g', '227 (1,2,3,4,5,6)', '500 no');
  const commands = ['PASV', 'HELP', 'NOOP', 'RETR x', 'FOO'];
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), fc.array(fc.nat(200), { maxLength: 6 }), (lines, cuts) => {
      const text = `${lines.join('\r\n')}\r\n`;
      const run = (at: number[]) => {
        const d = new Dialogue().say(`> ${commands.join('\r\n')}\r\n`);
        let from = 0;
        for (const cut of [...new Set(at.map((n) => n % text.length))].sort((a, b) => a - b).concat(text.length)) {
          if (cut > from) d.say(`< ${text.slice(from, cut)}`);
          from = cut;
        }
        return d
          .bye()
          .records.map((record) => JSON.stringify(record))
          .sort();
      };
      assert.deepEqual(run(cuts), run([]));
    }),
    { numRuns: 200 },
  );
});
