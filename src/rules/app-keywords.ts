/**
 * Keywords that test an application layer without a buffer (user guide, the chapter of each protocol), with what they belong to:
 * an application protocol, `file`, or `lua`. Those that work: app-values.ts.
 */

/** What stands behind the colon: nothing, anything or nothing, a number test, words, a text in quotes or bare. */
export type ValueForm = 'none' | 'any' | 'number' | 'words' | 'text';

export interface AppKeyword {
  /** The protocol that must have a parser; several: any of them. */
  proto: string;
  form: ValueForm;
}

const TABLE: Record<string, Partial<Record<ValueForm, string>>> = {
  http: { text: 'urilen' },
  http2: {
    words: 'http2.frametype http2.errorcode http2.settings',
    number: 'http2.priority http2.window http2.size_update',
  },
  file: {
    text: 'filename fileext filemagic filemd5 filesha1 filesha256 file.mime',
    words: 'filesize',
    any: 'filestore filestore.stop',
  },
  dns: { number: 'dns.opcode dns.rcode dns.rrtype', none: 'dns.response' },
  tls: {
    text: 'tls.version tls.subject tls.issuerdn tls.fingerprint tls_cert_notbefore tls_cert_notafter',
    none: 'tls_cert_expired tls_cert_valid tls.store tls_store',
    number: 'tls.cert_chain_len',
    words: 'ssl_version ssl_state',
  },
  ssh: { text: 'ssh.protoversion ssh.softwareversion' },
  ftp: { number: 'ftp.dynamic_port', words: 'ftp.mode ftp.reply_received' },
  'ftp-data': { words: 'ftpdata_command ftpdata.command' },
  smb: { words: 'smb.version', any: 'smb.ntlmssp' },
  dcerpc: { text: 'dcerpc.iface dce_iface dcerpc.opnum dce_opnum' },
  krb5: { number: 'krb5_msg_type krb5_err_code', none: 'krb5.weak_encryption', words: 'krb5.ticket_encryption' },
  snmp: { number: 'snmp.version snmp.pdu_type snmp.trap_type' },
  rfb: { number: 'rfb.secresult rfb.sectype' },
  mqtt: {
    number: 'mqtt.type mqtt.qos mqtt.reason_code mqtt.protocol_version',
    words: 'mqtt.flags mqtt.connect.flags mqtt.connack.session_present mqtt.connack.sessionpresent',
  },
  ike: {
    words: 'ike.chosen_sa_attribute',
    number: 'ike.exchtype ike.key_exchange_payload_length ike.nonce_payload_length',
  },
  dhcp: { number: 'dhcp.leasetime dhcp.rebinding_time dhcp.renewal_time' },
  modbus: { text: 'modbus' },
  dnp3: { number: 'dnp3_func', words: 'dnp3_ind dnp3_obj' },
  enip: {
    number:
      'enip_command enip.status enip.command enip.identity_status enip.state enip.serial enip.cip_attribute enip.cip_class enip.vendor_id ' +
      'enip.device_type enip.product_code enip.capabilities enip.cip_instance enip.cip_status enip.cip_extendedstatus enip.revision ' +
      'enip.protocol_version',
    words: 'cip_service',
  },
  nfs: { number: 'nfs_procedure nfs.procedure nfs_version nfs.version' },
  rpc: { number: 'rpc.procedure' },
  ntp: { number: 'ntp.mode ntp.stratum ntp.version' },
  websocket: { number: 'websocket.mask websocket.opcode', words: 'websocket.flags' },
  ldap: { number: 'ldap.request.operation ldap.responses.operation ldap.responses.count ldap.responses.result_code' },
  lua: { text: 'lua luajit' },
  // States of a transaction, whichever protocol the header names.
  'app-layer-state': { words: 'app-layer-state' },
};

export const APP_KEYWORDS: ReadonlyMap<string, AppKeyword> = new Map(
  Object.entries(TABLE).flatMap(([proto, forms]) =>
    Object.entries(forms).flatMap(([form, names]) =>
      names.split(' ').map((name): [string, AppKeyword] => [name, { proto, form: form as ValueForm }]),
    ),
  ),
);
