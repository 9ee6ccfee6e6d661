/**
 * Keys of suricata.yaml that Sluice knows of and does not read (user guide, "Suricata.yaml"): no warning.
 * A key that is in none of these lists is most likely a typing mistake, and is warned about once.
 */
export const TOP_LEVEL_UNUSED: ReadonlySet<string> = new Set(
  (
    'af-xdp app-layer-parsers asn1-max-frames capture coredump cuda default-packet-size ' +
    'detect-engine dpdk engine-analysis erf-dag firewall flow-bypass heartbeat host ' +
    'ips ipfw ippair legacy livedev luajit lua magic-file max-pending-packets mpipe mpm-algo multi-detect napatech netmap ' +
    'packet-alert-limit pattern-matcher pcap pcap-file pfring plugins radix-tree ' +
    'security sensor-name spm-algo suricata-version systemd threshold-config tls-store unix-command unittests ' +
    'umask ignore-unknown-requirements geoip-database classification reference default-rule-dir rule-reload max-tx'
  ).split(' '),
);

/** Outputs of Suricata that Sluice does not write. */
export const OUTPUTS_UNUSED: ReadonlySet<string> = new Set(
  (
    'http-log tls-log tls-store dns-log pcap-log pcap-info alert-debug alert-prelude unified2-alert unified-alert unified-log syslog drop ' +
    'file-log filestore tcp-data http-body-data lua lua-output ssh-log smtp-log netflow plugin'
  ).split(' '),
);

/** EVE record types of Suricata that Sluice does not write yet. */
export const EVE_TYPES_UNUSED: ReadonlySet<string> = new Set(
  (
    'http http2 doh2 dns mdns tls files file fileinfo smtp imap pop3 ftp ftp_data rdp nfs smb tftp ike ikev2 dcerpc krb5 bittorrent-dht snmp rfb ' +
    'sip quic dhcp ssh mqtt pgsql websocket ldap enip modbus dnp3 template template-rust arp frame metadata packet telnet dhcp nfs vars ' +
    'llmnr ntp'
  ).split(' '),
);
