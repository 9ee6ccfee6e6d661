/** pcap link types (LINKTYPE_*, tcpdump.org/linktypes.html). RAW has had several numbers. */
export const enum LinkType {
  Null = 0,
  Ethernet = 1,
  Ppp = 9,
  RawBsd = 12,
  RawOpenBsd = 14,
  Raw = 101,
  Loop = 108,
  LinuxSll = 113,
  Ipv4 = 228,
  Ipv6 = 229,
  LinuxSll2 = 276,
  /** Sluice's own, inside tunnels: the bytes are what follows EtherType `linkType & 0xffff`. */
  EtherTypeBase = 0x10000,
}

export const enum EtherType {
  Ipv4 = 0x0800,
  Arp = 0x0806,
  TransparentEthernet = 0x6558,
  Vlan = 0x8100,
  Ipv6 = 0x86dd,
  MplsUnicast = 0x8847,
  MplsMulticast = 0x8848,
  PppoeDiscovery = 0x8863,
  PppoeSession = 0x8864,
  QinQ = 0x88a8,
  ProviderBackbone = 0x88e7,
  FabricPath = 0x8903,
  VnTag = 0x8926,
  ErspanII = 0x88be,
  Ppp = 0x880b,
  VlanOld = 0x9100,
  /** Smaller values are 802.3 lengths. */
  First = 0x0600,
}
