import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { assertLogged, FTP_YAML, logins, SEED_RULE, skipWithoutFtp, startFtpServer } from '../support/ftp.js';
import { ADDRESS, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const PATIENCE_MS = 5000;

describe('the FTP example on an AF_PACKET bridge', { skip: skipWithoutFtp }, () => {
  const lab = useNamespaces();
  let client: Peer;

  test('vsftpd behind the bridge', async () => {
    await startFtpServer(lab, 'server');
    client = await Peer.start(lab, 'client');
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: the login is cut off, over IPv4 and IPv6`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: [SEED_RULE], yaml: FTP_YAML });
      await logins(lab, 'client', ADDRESS.server);
      await logins(lab, 'client', ADDRESS.server6);
      await assertLogged(bridge, / -> .*:21$/, 2);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });

    test(`${runmode}: the command in pieces, in small letters, behind another; what only looks like it passes`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: [SEED_RULE], yaml: FTP_YAML });
      const CASES: [string[], boolean][] = [
        [['US', 'ER anon', 'ymous\r\n'], true],
        [['U', 'S', 'E', 'R', ' ', 'a', 'nonymous', '\r', '\n'], true],
        [['user Anonymous\r\n'], true],
        [['SYST\r\nUSER anonymous\r\n'], true],
        [['NOOP\r\nUSER al', 'ice\r\nUSER ANON', 'YMOUS\r\n'], true],
        [['USER alice\r\n', 'PASS anonymous\r\n'], false],
        [['USER anonymou', '\r\n'], false],
        [['NOOP USER anonymous\r\n', 'USER bob\r\n'], false],
      ];
      let cut = 0;
      for (const [pieces, rejected] of CASES) {
        const what = JSON.stringify(pieces);
        const local = await client.do('talkOpen', ADDRESS.server, 21);
        assert.match((await client.do('talkAwait', local, '220 ', PATIENCE_MS)).got, /^220 /, what);
        // Without Nagle's algorithm each becomes a segment of its own.
        for (const piece of pieces) await client.do('talkSay', local, piece);
        const fate = await client.do('talkAwait', local, rejected ? undefined : '331 ', PATIENCE_MS);
        assert.equal(fate.code, rejected ? 'ECONNRESET' : '', what);
        if (!rejected) assert.match(fate.got, /331 /, what);
        await client.do('talkClose', local);
        if (rejected) cut++;
        await waitFor(() => bridge.fast('[1:99999:1]').length === cut, { what: `${what}: ${cut} alerts so far` });
      }
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });
  }
});
