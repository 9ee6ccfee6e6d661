/**
 * What each keyword means, in a line, for --list-keywords. `a, b: text`: names of the same thing, the current one first.
 * A keyword that is missing here is listed without a meaning (test/unit/rules-keyword-list.test.ts tells).
 */
const TEXT = `
sid: number of the rule, unique within its gid
rev: revision of the rule; the newer one of a sid is kept
gid: group of the sid, 1 unless given
msg: text of the alert
classtype: kind of threat by classification.config, which gives the priority
priority: urgency from 1, the highest, to 255
reference: where more is written about the threat
metadata: keys and values that go along with the alert
target: which side of the packet the threat is aimed at
requires: versions, features and keywords the rule needs; it is skipped elsewhere
noalert: act without an alert
alert: make an alert, where the action would not
content: bytes that must, or with ! must not, occur
nocase: the content in capitals or small letters
depth: the content ends within so many bytes of the beginning
offset: the content begins so many bytes in, or later
distance: bytes to leave out after the match before
within: the content ends within so many bytes of the match before
startswith: the content is at the very beginning
endswith: the content is at the very end
rawbytes: accepted without effect, for old rules
fast_pattern: the content the rule is looked up by
prefilter: the rule is looked up by the keyword before
replace: bytes written over the content, inline only
isdataat: whether there is data so far in
absent: the buffer is not there at all
bsize: length of the buffer
dataset: the buffer is in a set of values; also puts it in or takes it out
datarep: reputation that a set of values gives the buffer
dsize: length of the packet's payload
entropy: how random the bytes of the buffer are
pcre: a regular expression
byte_test: compares a number in the data
byte_jump: moves on by a number in the data
byte_extract: reads a number into a variable
byte_math: calculates with a number into a variable
asn1: structure of ASN.1 data, malformed lengths above all
rpc: program, version and procedure of a Sun RPC call
base64_decode: decodes base64 into base64_data
base64_data: what base64_decode has made
pkt_data: the following contents look at the packet's payload again
file.data, file_data: contents of a file that is transferred
uricontent: a content in the normalised URI, the old way
urilen: length of the URI
ttl: hop limit of the IP packet
tos: type of service byte
ipopts, ip.opts: an IP option is present
sameip: source and destination are the same
ip_proto: protocol number in the IP header
id: identification field of the IP header
fragbits: fragment bits of the IP header
fragoffset: fragment offset of the IP header
geoip: country of an address
ip.src: the source address as a buffer or for datasets
ip.dst: the destination address as a buffer or for datasets
l3_proto: IPv4 or IPv6
tcp.flags, flags: flags of the TCP header
tcp.seq, seq: sequence number
tcp.ack, ack: acknowledgement number
tcp.window, window: window as it stands in the header
tcp.mss: maximum segment size option
tcp.wscale: window scale option
tcp.hdr: TCP header as a buffer
udp.hdr: UDP header as a buffer
ipv4.hdr: IPv4 header as a buffer
ipv6.hdr: IPv6 header as a buffer
icmpv4.hdr: ICMP header as a buffer
icmpv6.hdr: ICMPv6 header as a buffer
ether.hdr: Ethernet header as a buffer
igmp.hdr: IGMP header as a buffer
igmp.type: type of an IGMP message
arp.opcode: operation of an ARP packet
vlan.id: number of a VLAN, by layer
vlan.layers: how many VLAN tags there are
itype: type of an ICMP message
icode: code of an ICMP message
icmp_id: identifier of an ICMP message
icmp_seq: sequence number of an ICMP message
icmpv6.mtu: MTU told by ICMPv6
ipv4-csum: whether the IPv4 checksum is valid
tcpv4-csum: whether the TCP checksum over IPv4 is valid
tcpv6-csum: whether the TCP checksum over IPv6 is valid
udpv4-csum: whether the UDP checksum over IPv4 is valid
udpv6-csum: whether the UDP checksum over IPv6 is valid
icmpv4-csum: whether the ICMP checksum is valid
icmpv6-csum: whether the ICMPv6 checksum is valid
flow: direction and state of the connection
flow.age: seconds since the flow began
flow.bytes: bytes of the flow, one way or both
flow.bytes_toclient: bytes of the flow to the client
flow.bytes_toserver: bytes of the flow to the server
flow.pkts: packets of the flow, one way or both
flow.pkts_toclient: packets of the flow to the client
flow.pkts_toserver: packets of the flow to the server
flow.elephant: the flow is known as a very large one
flowbits: named marks of a flow, set, cleared and asked
flowint: named counters of a flow
flowvar: a variable of a flow that pcre has captured
pktvar: a variable of a packet that pcre has captured
xbits: named marks of an address or a pair, with a time to live
hostbits: named marks of an address
stream_size, stream.size: bytes seen in a TCP stream
iprep: reputation of an address
dataset: whether the buffer is, or becomes, a member of a set
datarep: reputation of the buffer's value in a set
threshold: how often the rule alerts, or from how many matches on
detection_filter: matches in a time before the rule begins to alert
tag: packets after the match are logged too
bypass: the flow is not inspected any more after a match
nfq_set_mark: netfilter mark of a matching packet
config: what is logged of a transaction or a flow
decode-event: something wrong was found in decoding the packet
engine-event: decode-event by its older name
stream-event: something wrong was found in the TCP stream
app-layer-event: something wrong was found in the application protocol
app-layer-protocol: the application protocol that was recognised
app-layer-state: how far the application protocol has come
frame: a frame of the application protocol, as a buffer
lua, luajit: a script decides
luaxform: a script changes the buffer
tenant_id: tenant of the rule; without effect outside multi tenancy
ftpbounce: FTP PORT with an address that is not the client's
filename: name of a file, the old way
fileext: ending of a file's name
file.name: name of a file, as a buffer
file.magic, filemagic: kind of a file by its first bytes
file.mime: MIME type of a file
filemd5: MD5 of a file is in a list
filesha1: SHA-1 of a file is in a list
filesha256: SHA-256 of a file is in a list
filesize: length of a file
filestore: the file is kept
filestore.stop: the file is not kept after all
dotprefix: puts a dot before the buffer, to match whole domain labels
domain: the registered domain within the buffer
tld: the top-level domain within the buffer
strip_whitespace: the buffer without white space
compress_whitespace: the buffer with runs of white space made one
to_lowercase: the buffer in small letters
to_uppercase: the buffer in capitals
to_md5: MD5 of the buffer
to_sha1: SHA-1 of the buffer
to_sha256: SHA-256 of the buffer
pcrexform: what a regular expression captures of the buffer
url_decode: the buffer with percent escapes decoded
xor: the buffer xored with a key
header_lowercase: names of headers in small letters
strip_pseudo_headers: headers without the pseudo headers of HTTP/2
from_base64: the buffer decoded from base64
casechange: the buffer in another case
gunzip: the buffer uncompressed from gzip
zlib_deflate: the buffer uncompressed from zlib
subslice: a part of the buffer
unicode_decode: the buffer with unicode escapes decoded
http.method, http_method: method of the request
http.uri, http_uri: normalised URI
http.uri.raw, http_raw_uri: URI as it was sent
http.request_line, http_request_line: first line of the request
http.request_body, http_client_body: body of the request
http.response_line, http_response_line: first line of the response
http.response_body, http_server_body: body of the response
http.stat_code, http_stat_code: status code
http.stat_msg, http_stat_msg: words after the status code
http.header, http_header: normalised headers
http.header.raw, http_raw_header: headers as they were sent
http.request_header: a header of the request, one after the other
http.response_header: a header of the response, one after the other
http.header_names, http_header_names: names of the headers
http.cookie, http_cookie: cookies, sent or set
http.host, http_host: normalised host name
http.host.raw, http_raw_host: host name as it was sent
http.user_agent, http_user_agent: User-Agent header
http.accept, http_accept: Accept header
http.accept_enc, http_accept_enc: Accept-Encoding header
http.accept_lang, http_accept_lang: Accept-Language header
http.connection, http_connection: Connection header
http.content_len, http_content_len: Content-Length header
http.content_type, http_content_type: Content-Type header
http.referer, http_referer: Referer header
http.protocol, http_protocol: protocol version in the first line
http.start, http_start: first line and headers
http.location: Location header
http.server: Server header
http2.frametype: type of an HTTP/2 frame
http2.errorcode: error code of HTTP/2
http2.priority: priority of an HTTP/2 stream
http2.window: window update of HTTP/2
http2.size_update: size update of HTTP/2's header table
http2.settings: a setting of HTTP/2
http2.header_name: name of an HTTP/2 header
dns.query, dns_query: name that is asked for
dns.queries.rrname: names in the questions
dns.answers.rrname: names in the answers
dns.additionals.rrname: names among the additional records
dns.authorities.rrname: names among the authorities
dns.query.name: name in a question, by its earlier spelling
dns.answer.name: name in an answer, by its earlier spelling
dns.response.rrname, dns.response: names anywhere in a response
dns.opcode: operation code of DNS
dns.rcode: response code of DNS
dns.rrtype: type of a record
mdns.queries.rrname: names in the questions of multicast DNS
mdns.answers.rrname: names in the answers of multicast DNS
mdns.additionals.rrname: names among the additional records of multicast DNS
mdns.authorities.rrname: names among the authorities of multicast DNS
mdns.response.rrname: names in a response of multicast DNS
llmnr.queries.rrname: names in the questions of LLMNR
llmnr.answers.rrname: names in the answers of LLMNR
llmnr.additionals.rrname: names among the additional records of LLMNR
llmnr.authorities.rrname: names among the authorities of LLMNR
llmnr.response.rrname: names in a response of LLMNR
tls.sni, tls_sni: server name the client asks for
tls.version: version of TLS
ssl_version: versions of SSL and TLS
ssl_state: how far the handshake has come
tls.cert_subject, tls_cert_subject: subject of the certificate
tls.subject: subject of the certificate, the old way
tls.cert_issuer, tls_cert_issuer: issuer of the certificate
tls.issuerdn: issuer of the certificate, the old way
tls.cert_serial, tls_cert_serial: serial number of the certificate
tls.cert_fingerprint, tls_cert_fingerprint: fingerprint of the certificate
tls.fingerprint: fingerprint of the certificate, the old way
tls.certs: certificates as they were sent
tls.cert_chain_len: how many certificates were sent
tls.subjectaltname: alternative names in the certificate
tls.alpn: application protocols offered
tls.random: random bytes of the hello, time included
tls.random_time: time in the random bytes
tls.random_bytes: random bytes without the time
tls.store, tls_store: the certificate is kept
tls_cert_notbefore: begin of the certificate's validity
tls_cert_notafter: end of the certificate's validity
tls_cert_expired: the certificate has expired
tls_cert_valid: the certificate is within its time
ja3.hash, ja3_hash: JA3 fingerprint of the client
ja3.string, ja3_string: text that JA3 is made of
ja3s.hash: JA3S fingerprint of the server
ja3s.string: text that JA3S is made of
ja4.hash: JA4 fingerprint of the client
ssh.proto, ssh_proto: protocol version in the SSH banner
ssh.software, ssh_software: software in the SSH banner
ssh.protoversion: protocol version of SSH, the old way
ssh.softwareversion: software of SSH, the old way
ssh.hassh: HASSH fingerprint of the client
ssh.hassh.string: text that HASSH is made of
ssh.hassh.server: HASSH fingerprint of the server
ssh.hassh.server.string: text the server's HASSH is made of
ftp.command: command of FTP
ftp.command_data: what follows the command
ftp.completion_code: three digits of the reply
ftp.reply: text of the reply
ftp.reply_received: whether a reply has come
ftp.mode: active or passive data connection
ftp.dynamic_port: port of the data connection
ftpdata.command, ftpdata_command: command the data connection belongs to
smb.named_pipe, smb_named_pipe: named pipe
smb.share, smb_share: name of the share
smb.ntlmssp_user: user of NTLM
smb.ntlmssp_domain: domain of NTLM
smb.version: version of SMB
smb.ntlmssp: NTLM message in SMB
dcerpc.iface, dce_iface: interface of DCERPC, with its version
dcerpc.opnum, dce_opnum: operation numbers of DCERPC
dcerpc.stub_data, dce_stub_data: arguments of a DCERPC call
smtp.helo: name after HELO
smtp.mail_from: sender of the envelope
smtp.rcpt_to: recipient of the envelope
email.from: From of the message
email.to: To of the message
email.cc: Cc of the message
email.subject: Subject of the message
email.date: Date of the message
email.message_id: Message-ID of the message
email.x_mailer: X-Mailer of the message
email.url: addresses of pages in the message
email.received: Received lines of the message
email.body_md5: MD5 of the message's body
krb5_msg_type: type of a Kerberos message
krb5.cname, krb5_cname: client name of Kerberos
krb5.sname, krb5_sname: server name of Kerberos
krb5_err_code: error code of Kerberos
krb5.weak_encryption: weak encryption in Kerberos
krb5.ticket_encryption: encryption of the ticket
snmp.version: version of SNMP
snmp.community: community of SNMP
snmp.usm: user of SNMP version 3
snmp.pdu_type: type of an SNMP message
snmp.trap_type: type of an SNMP trap
sip.method: method of SIP
sip.uri: URI of SIP
sip.request_line: first line of a SIP request
sip.stat_code: status code of SIP
sip.stat_msg: words after the status code of SIP
sip.response_line: first line of a SIP response
sip.protocol: version of SIP
sip.from: From header of SIP
sip.to: To header of SIP
sip.via: Via header of SIP
sip.user_agent, sip.ua: User-Agent header of SIP
sip.content_type: Content-Type header of SIP
sip.content_length: Content-Length header of SIP
sdp.session_name: session name of SDP
sdp.session_info: session information of SDP
sdp.origin: originator of SDP
sdp.uri: URI of SDP
sdp.email: mail address of SDP
sdp.phone_number: phone number of SDP
sdp.connection_data: connection of SDP
sdp.bandwidth: bandwidth of SDP
sdp.time: times of SDP
sdp.repeat_time: repetitions of SDP
sdp.timezone: time zones of SDP
sdp.encryption_key: key of SDP
sdp.attribute: attribute of SDP
sdp.media.media: media line of SDP
sdp.media.session_info: title of a medium of SDP
sdp.media.connection_data: connection of a medium of SDP
sdp.media.encryption_key: key of a medium of SDP
rfb.name: desktop name of RFB (VNC)
rfb.secresult: outcome of RFB's authentication
rfb.sectype: security type of RFB
mqtt.type: type of an MQTT message
mqtt.flags: flags of an MQTT message
mqtt.qos: quality of service of MQTT
mqtt.reason_code, mqtt.connack.return_code: reason code of MQTT
mqtt.protocol_version: version of MQTT
mqtt.connect.clientid: client of an MQTT connection
mqtt.connect.username: user of an MQTT connection
mqtt.connect.password: password of an MQTT connection
mqtt.connect.willmessage: last will of an MQTT connection
mqtt.connect.willtopic: topic of an MQTT last will
mqtt.connect.protocol_string: protocol name in an MQTT connection
mqtt.connect.flags: flags of an MQTT connection
mqtt.connack.session_present, mqtt.connack.sessionpresent: the MQTT server still has the session
mqtt.publish.topic: topic that is published to
mqtt.publish.message: message that is published
mqtt.subscribe.topic: topics subscribed to
mqtt.unsubscribe.topic: topics given up
quic.version: version of QUIC
quic.sni: server name in QUIC
quic.ua: user agent in QUIC
quic.cyu.hash: CYU fingerprint of QUIC
quic.cyu.string: text that CYU is made of
ike.init_spi: initiator's SPI of IKE
ike.resp_spi: responder's SPI of IKE
ike.chosen_sa_attribute: attribute of the chosen security association
ike.exchtype: exchange type of IKE
ike.vendor: vendor of IKE
ike.key_exchange_payload: key exchange data of IKE
ike.key_exchange_payload_length: length of IKE's key exchange data
ike.nonce_payload: nonce of IKE
ike.nonce_payload_length: length of IKE's nonce
dhcp.leasetime: lease time of DHCP
dhcp.rebinding_time: rebinding time of DHCP
dhcp.renewal_time: renewal time of DHCP
modbus: function, access and addresses of Modbus
dnp3_func: function code of DNP3
dnp3_ind: internal indications of DNP3
dnp3_obj: object of DNP3
dnp3.data, dnp3_data: application data of DNP3
enip.command, enip_command: command of EtherNet/IP
cip_service: service of CIP
enip.status: status of EtherNet/IP
enip.identity_status: status in an identity item
enip.state: state in an identity item
enip.serial: serial number in an identity item
enip.vendor_id: vendor in an identity item
enip.device_type: device type in an identity item
enip.product_code: product code in an identity item
enip.product_name: product name in an identity item
enip.revision: revision in an identity item
enip.service_name: name in a services item
enip.capabilities: capabilities in a services item
enip.cip_attribute: attribute of CIP
enip.cip_class: class of CIP
enip.cip_instance: instance of CIP
enip.cip_status: status of CIP
enip.cip_extendedstatus: extended status of CIP
enip.protocol_version: version of EtherNet/IP
nfs_procedure, nfs.procedure: procedure of NFS
nfs_version, nfs.version: version of NFS
rpc.procedure: procedure of Sun RPC
ntp.mode: mode of NTP
ntp.stratum: stratum of NTP
ntp.version: version of NTP
ntp.reference_id: reference of NTP
websocket.payload: data of a WebSocket message
websocket.flags: flags of a WebSocket message
websocket.mask: mask of a WebSocket message
websocket.opcode: operation of a WebSocket message
pgsql.query: query of PostgreSQL
mysql.command: command of MySQL
mysql.rows: rows that MySQL returns
ldap.request.operation: operation of an LDAP request
ldap.request.dn: name in an LDAP request
ldap.request.attribute_type: attribute in an LDAP request
ldap.responses.operation: operation of an LDAP response
ldap.responses.count: how many LDAP responses there are
ldap.responses.dn: name in an LDAP response
ldap.responses.result_code: result of LDAP
ldap.responses.message: message of LDAP
ldap.responses.attribute_type: attribute in an LDAP response
template2, template.buffer: example keywords, for developers
ndpi-protocol: protocol that nDPI has recognised
ndpi-risk: risks that nDPI has found
`;

const MEANINGS: ReadonlyMap<string, { meaning: string; alias: string }> = new Map(
  TEXT.trim()
    .split('\n')
    .flatMap((line) => {
      const colon = line.indexOf(': ');
      const names = line.slice(0, colon).split(', ');
      return names.map((name, i) => [name, { meaning: line.slice(colon + 2), alias: i === 0 ? '' : names[0] }] as const);
    }),
);

/** In a line; '' for a keyword that is not in the table. */
export function meaningOf(keyword: string): string {
  return MEANINGS.get(keyword)?.meaning ?? '';
}

/** The name it goes by today; '' when that is its own. */
export function aliasOf(keyword: string): string {
  return MEANINGS.get(keyword)?.alias ?? '';
}
