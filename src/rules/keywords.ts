/**
 * Names of the rule keywords Suricata documents (user guide, "Suricata Rules"), so that a keyword
 * this version lacks can be told from one nobody knows. Those with a handler stand in options/table.ts.
 */
export const SURICATA_KEYWORDS: ReadonlySet<string> = new Set(
  `
  sid priority rev classtype app-layer-protocol tcp.ack ack tcp.seq seq tcp.window window ipopts ip.opts tcp.flags flags fragbits
  fragoffset ttl tos itype icode icmp_id icmp_seq dsize flow threshold metadata reference tag msg content uricontent pcre depth
  startswith endswith distance within offset replace nocase rawbytes byte_test byte_jump byte_extract byte_math sameip geoip ip_proto
  isdataat id rpc target noalert alert gid fast_pattern prefilter bypass iprep dataset datarep lua luajit luaxform requires absent
  entropy config ftpbounce asn1 engine-event decode-event stream-event app-layer-event app-layer-state stream_size detection_filter
  flowbits flowvar flowint flow.age flow.bytes flow.bytes_toclient flow.bytes_toserver flow.pkts flow.pkts_toclient
  flow.pkts_toserver flow.elephant hostbits xbits pktvar bsize base64_decode base64_data pkt_data frame nfq_set_mark stream.size
  l3_proto dce_iface dce_opnum dce_stub_data dcerpc.iface dcerpc.opnum dcerpc.stub_data
  ipv4-csum tcpv4-csum tcpv6-csum udpv4-csum udpv6-csum icmpv4-csum icmpv6-csum ipv4.hdr ipv6.hdr tcp.hdr udp.hdr icmpv4.hdr
  icmpv6.hdr icmpv6.mtu tcp.mss tcp.wscale ip.src ip.dst ether.hdr vlan.id vlan.layers arp.opcode igmp.type igmp.hdr
  ndpi-protocol ndpi-risk
  dotprefix domain tld strip_whitespace compress_whitespace to_lowercase to_uppercase to_md5 to_sha1 to_sha256 pcrexform url_decode xor
  header_lowercase strip_pseudo_headers from_base64 casechange gunzip zlib_deflate subslice unicode_decode
  http_cookie http.cookie http_method http.method http_uri http.uri http_raw_uri http.uri.raw http_client_body http.request_body
  http_server_body http.response_body http_header http.header http_raw_header http.header.raw http_header_names http.header_names
  http_host http.host http_raw_host http.host.raw http_user_agent http.user_agent http_stat_code http.stat_code http_stat_msg
  http.stat_msg http_request_line http.request_line http_response_line http.response_line http_protocol http.protocol http_accept
  http.accept http_accept_enc http.accept_enc http_accept_lang http.accept_lang http_connection http.connection http_content_len
  http.content_len http_content_type http.content_type http_referer http.referer http_start http.start http.location http.server
  http.request_header http.response_header urilen
  http2.frametype http2.errorcode http2.priority http2.window http2.size_update http2.settings http2.header_name
  file_data file.data file.name file.magic filename fileext filemagic filemd5 filesha1 filesha256 filesize filestore filestore.stop
  file.mime
  dns_query dns.query dns.opcode dns.rcode dns.rrtype dns.queries.rrname dns.answers.rrname dns.additionals.rrname
  dns.authorities.rrname dns.query.name dns.answer.name dns.response dns.response.rrname mdns.queries.rrname mdns.answers.rrname
  mdns.additionals.rrname mdns.authorities.rrname mdns.response.rrname
  llmnr.queries.rrname llmnr.answers.rrname llmnr.additionals.rrname llmnr.authorities.rrname llmnr.response.rrname
  tls.version tls.subject tls.issuerdn tls.fingerprint tls_store tls.store tls_sni tls.sni tls_cert_issuer tls.cert_issuer
  tls_cert_subject tls.cert_subject tls_cert_serial tls.cert_serial tls_cert_fingerprint tls.cert_fingerprint tls.certs
  tls.cert_chain_len tls_cert_notbefore tls_cert_notafter tls_cert_expired tls_cert_valid tls.random tls.random_time tls.random_bytes
  tls.subjectaltname tls.alpn ssl_version ssl_state ja3_hash ja3.hash ja3_string ja3.string ja3s.hash ja3s.string ja4.hash
  ssh_proto ssh.proto ssh_software ssh.software ssh.protoversion ssh.softwareversion ssh.hassh ssh.hassh.string ssh.hassh.server
  ssh.hassh.server.string
  ftp.command ftp.command_data ftp.completion_code ftp.reply ftp.reply_received ftp.mode ftp.dynamic_port ftpdata_command ftpdata.command
  smb_named_pipe smb.named_pipe smb_share smb.share smb.ntlmssp_user smb.ntlmssp_domain smb.version smb.ntlmssp
  smtp.helo smtp.mail_from smtp.rcpt_to email.from email.to email.cc email.subject email.date email.message_id email.x_mailer email.url
  email.received email.body_md5
  krb5_msg_type krb5_cname krb5.cname krb5_sname krb5.sname krb5_err_code krb5.weak_encryption krb5.ticket_encryption
  snmp.version snmp.community snmp.usm snmp.pdu_type snmp.trap_type sip.method sip.uri sip.request_line sip.stat_code sip.stat_msg
  sip.response_line sip.protocol sip.from sip.to sip.via sip.user_agent sip.ua sip.content_type sip.content_length sdp.session_name
  sdp.session_info sdp.origin sdp.uri sdp.email sdp.phone_number sdp.connection_data sdp.bandwidth sdp.time sdp.repeat_time
  sdp.timezone sdp.encryption_key sdp.attribute sdp.media.media sdp.media.session_info sdp.media.connection_data
  sdp.media.encryption_key
  rfb.name rfb.secresult rfb.sectype mqtt.type mqtt.flags mqtt.qos mqtt.reason_code mqtt.protocol_version mqtt.connect.clientid
  mqtt.connect.username mqtt.connect.password mqtt.connect.willmessage mqtt.connect.willtopic mqtt.connect.protocol_string
  mqtt.connect.flags mqtt.connack.session_present mqtt.connack.sessionpresent mqtt.publish.topic mqtt.publish.message
  mqtt.subscribe.topic mqtt.unsubscribe.topic
  quic.version quic.sni quic.ua quic.cyu.hash quic.cyu.string ike.init_spi ike.resp_spi ike.chosen_sa_attribute ike.exchtype ike.vendor
  ike.key_exchange_payload ike.key_exchange_payload_length ike.nonce_payload ike.nonce_payload_length
  dhcp.leasetime dhcp.rebinding_time dhcp.renewal_time modbus dnp3_func dnp3_ind dnp3_obj dnp3_data dnp3.data enip_command cip_service
  enip.status enip.command enip.identity_status enip.state enip.serial enip.cip_attribute enip.cip_class enip.vendor_id
  enip.device_type enip.product_code enip.product_name enip.service_name enip.capabilities enip.cip_instance enip.cip_status
  enip.cip_extendedstatus enip.revision enip.protocol_version
  nfs_procedure nfs.procedure nfs_version nfs.version rpc.procedure ntp.mode ntp.stratum ntp.version ntp.reference_id
  websocket.payload websocket.flags websocket.mask websocket.opcode pgsql.query ldap.request.operation
  ldap.responses.operation ldap.responses.count ldap.request.dn ldap.responses.dn ldap.responses.result_code ldap.responses.message
  ldap.request.attribute_type ldap.responses.attribute_type mysql.command mysql.rows template2 template.buffer tenant_id
  `
    .trim()
    .split(/\s+/),
);
