import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { printRule } from '../../src/rules/print.js';
import { parse, refused, withOptions } from '../support/rules.js';

describe('rules that wait for a parser', () => {
  const cases: [proto: string, options: string, inert: string | undefined][] = [
    ['http', '', undefined],
    ['smb', '', 'smb'],
    ['http2', 'content:"a";', 'http2'],
    ['dns', '', undefined],
    ['ssl', '', undefined],
    ['ftp-data', 'ftpdata_command:retr;', undefined],
    ['ftp-data', 'ftpdata_command:list;', 'ftp-data'],
    ['tcp', 'http.uri; content:"a";', undefined],
    ['tcp', 'smb.share; content:"a";', 'smb'],
    ['tcp', 'file.data; content:"a";', undefined],
    ['tcp', 'content:"a"; http_uri;', undefined],
    ['ftp', 'ftp.command; content:"a";', undefined],
    ['tcp', 'ftp.command; content:"a";', undefined],
    ['ftp', 'ftp.reply; content:"a";', undefined],
    ['ftp', 'ftp.dynamic_port:>=59926;', undefined],
    ['ftp', 'ftp.mode:active;', undefined],
    ['ftp', 'ftp.mode:both;', 'ftp'],
    ['ftp', 'ftp.reply_received:on;', undefined],
    ['ftp', 'app-layer-event:ftp.request_command_too_long;', undefined],
    ['ftp', 'app-layer-event:ftp.no_such_event;', 'ftp'],
    ['tcp', 'app-layer-event:applayer_no_such_event;', 'protocol detection'],
    ['tcp', 'app-layer-event:applayer_mismatch_protocol_both_directions;', undefined],
    ['tcp', 'app-layer-protocol:ftp;', undefined],
    ['tcp', 'app-layer-protocol:!ftp;', undefined],
    ['tcp', 'app-layer-protocol:!tls;', undefined],
    ['tcp', 'app-layer-protocol:!smb;', 'smb'],
    ['http', 'urilen:>4;', undefined],
    ['http', 'app-layer-event:http.missing_host_header;', undefined],
    ['http', 'app-layer-event:http.no_such_event;', 'http'],
    ['tcp', 'app-layer-protocol:failed;', undefined],
    ['tcp', 'app-layer-protocol:http,to_server;', undefined],
    ['tcp', 'app-layer-protocol:mqtt|http,either,exact;', undefined],
    ['tcp', 'app-layer-protocol:mqtt|modbus;', 'mqtt'],
    ['tcp', 'file.mime:"a";', 'file'],
    ['tls', 'tls.version:1.2;', undefined],
    ['tls', 'ssl_version:tls1.2;', undefined],
    ['tls', 'ssl_version:tls1.2,!sslv2;', 'tls'],
    ['tls', 'ssl_state:nonsense;', 'tls'],
    ['tls', 'tls.store;', 'tls'],
    ['dns', 'dns.rrtype:AAAA;', undefined],
    ['dns', 'dns.response;', 'dns'],
    ['tcp', 'lua:x.lua;', 'lua'],
    ['tcp', 'tcp.hdr; content:"a";', undefined],
    ['ip', 'ip.src; content:"|0a|"; startswith;', undefined],
  ];
  for (const [proto, options, inert] of cases) it(`${proto} ${options}`, () => assert.equal(withOptions(options, proto).inert, inert));
});

describe('values of keywords without a buffer', () => {
  const good: [proto: string, options: string][] = [
    ['http', 'urilen:>4;'],
    ['http', 'urilen:16,norm;'],
    ['tcp', 'filesize:to_client, <100;'],
    ['tcp', 'filesize:100<>200;'],
    ['tcp', 'filesize:>100MB;'],
    ['tcp', 'filemd5:!list.md5;'],
    ['tcp', 'filestore;'],
    ['tcp', 'filestore:request,tx;'],
    ['tcp', 'fileext:"pdf";'],
    ['dns', 'dns.rcode:!2;'],
    ['dns', 'dns.rrtype:4-6;'],
    ['dns', 'dns.opcode:!1;'],
    ['tls', 'tls.cert_chain_len:0<>4;'],
    ['tls', 'tls_cert_notafter:>2015;'],
    ['tls', 'tls.issuerdn:!"C=FR, ST=IDF";'],
    ['tls', 'ssl_version:sslv2,sslv3;'],
    ['tls', 'ssl_state:client_hello|server_hello;'],
    ['tls', 'app-layer-state:<client_hello_done;'],
    ['tls', 'tls_cert_expired;'],
    ['smb', 'dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003,=1,any_frag;'],
    ['smb', 'dce_opnum:0,7-9;'],
    ['krb5', 'krb5_err_code:6;'],
    ['krb5', 'krb5.ticket_encryption:weak;'],
    ['snmp', 'snmp.pdu_type:get_request;'],
    ['mqtt', 'mqtt.type:CONNECT;'],
    ['mqtt', 'mqtt.flags:dup,!retain;'],
    ['mqtt', 'mqtt.connack.session_present:yes;'],
    ['ike', 'ike.chosen_sa_attribute:alg_hash=2;'],
    ['modbus', 'modbus: function 21, subfunction 7;'],
    ['enip', 'cip_service:75,0x1;'],
    ['websocket', 'websocket.flags:&0xc0=0x80;'],
    ['http2', 'http2.settings:SETTINGS_MAX_HEADER_LIST_SIZE >1024;'],
    ['http2', 'http2.window:count >5;'],
    ['nfs', 'nfs_procedure:11-13;'],
    ['ldap', 'ldap.responses.operation:search_result_entry,1;'],
    ['tcp', 'app-layer-protocol:!http,either;'],
    ['tcp', 'app-layer-protocol:http1,to_server; app-layer-protocol:ssh,to_client;'],
    ['tcp', 'app-layer-protocol:!http; app-layer-protocol:!tls;'],
  ];
  for (const [proto, options] of good) {
    it(options, () => {
      const rule = withOptions(options, proto);
      assert.deepEqual({ ...parse(printRule(rule)), text: '' }, { ...rule, text: '' });
    });
  }

  const bad: [proto: string, options: string, option: string, reason: RegExp][] = [
    ['tcp', 'app-layer-protocol:nonsense;', 'app-layer-protocol', /unknown protocol/],
    ['tcp', 'app-layer-protocol:ftp,sideways;', 'app-layer-protocol', /then a mode/],
    ['tcp', 'app-layer-protocol:ftp; app-layer-protocol:!tls;', 'app-layer-protocol', /one protocol/],
    ['ftp', 'app-layer-protocol:tls;', 'app-layer-protocol', /header names ftp/],
    ['tcp', 'app-layer-event:nonsense.event;', 'app-layer-event', /unknown protocol/],
    ['tcp', 'app-layer-event:event;', 'app-layer-event', /names no protocol/],
    ['tcp', 'app-layer-event:a b;', 'app-layer-event', /protocol.event/],
    ['tls', 'tls_cert_expired:1;', 'tls_cert_expired', /no value/],
    ['dns', 'dns.rcode;', 'dns.rcode', /needs a value/],
    ['dns', 'dns.rcode:=;', 'dns.rcode', /takes a number/],
    ['tcp', 'ndpi-protocol:HTTP;', 'ndpi-protocol', /nDPI library/],
  ];
  for (const [proto, options, option, reason] of bad)
    it(`refuses ${options}`, () => refused(() => withOptions(options, proto), option, reason));
});
