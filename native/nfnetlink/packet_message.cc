#include "nfnetlink/packet_message.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <net/ethernet.h>

#include <algorithm>

namespace sluice {
namespace {

constexpr size_t kMaxLinkHeader = 64;
constexpr size_t kAddresses = 2 * ETH_ALEN;
constexpr size_t kTag = 4;
constexpr size_t kMaxWire = 1 << 30;

uint32_t value32(const Attribute& a) { return a.length >= 4 ? load_be32(a.data) : 0; }

// struct nfqnl_msg_packet_timestamp, and the log's twin of it.
void take_time(const Attribute& a, PacketFields* p) {
  if (a.length < 16) return;
  const uint64_t microseconds = load_be64(a.data + 8);
  if (microseconds >= 1000000) return;
  p->has_time = true;
  p->seconds = static_cast<uint32_t>(load_be64(a.data));
  p->nanoseconds = static_cast<uint32_t>(microseconds) * 1000;
}

// NFQA_VLAN and NFULA_VLAN have the same numbers within.
static_assert(static_cast<int>(NFQA_VLAN_PROTO) == static_cast<int>(NFULA_VLAN_PROTO) &&
              static_cast<int>(NFQA_VLAN_TCI) == static_cast<int>(NFULA_VLAN_TCI));
void take_tag(const Attribute& a, PacketFields* p) {
  bool tpid = false, tci = false;
  Attribute inner;
  for (Attributes nested(a.data, a.length); nested.next(&inner);) {
    if (inner.length < 2) continue;
    if (inner.type == NFQA_VLAN_PROTO) {
      p->tpid = load_be16(inner.data);
      tpid = true;
    } else if (inner.type == NFQA_VLAN_TCI) {
      p->tci = load_be16(inner.data);
      tci = true;
    }
  }
  p->has_tag = tpid && tci;
}

void take_payload(const Attribute& a, PacketFields* p) {
  p->payload = a.data;
  p->length = a.length;
  p->cut = a.cut;
}

void take_link_header(const Attribute& a, PacketFields* p) {
  if (a.cut || a.length < sizeof(ether_header) || a.length > kMaxLinkHeader) return;
  p->link_header = a.data;
  p->link_length = a.length;
}

bool take_family(const uint8_t* message, size_t length, PacketFields* p) {
  if (length < kNetlinkHeader + kGenericHeader) return false;
  p->family = message[kNetlinkHeader];
  return true;
}

}  // namespace

bool parse_queue_packet(const uint8_t* message, size_t length, PacketFields* p) {
  *p = {};
  if (!take_family(message, length, p)) return false;
  constexpr size_t kStart = kNetlinkHeader + kGenericHeader;
  Attribute a;
  for (Attributes all(message + kStart, length - kStart); all.next(&a);) {
    switch (a.type) {
      case NFQA_PACKET_HDR:
        if (a.length < 6) break;
        p->has_number = true;
        p->number = load_be32(a.data);
        p->protocol = load_be16(a.data + 4);
        break;
      case NFQA_MARK:
        p->mark = value32(a);
        break;
      case NFQA_TIMESTAMP:
        take_time(a, p);
        break;
      case NFQA_IFINDEX_INDEV:
        p->in_device = value32(a);
        break;
      case NFQA_IFINDEX_OUTDEV:
        p->out_device = value32(a);
        break;
      case NFQA_IFINDEX_PHYSINDEV:
        p->in_port = value32(a);
        break;
      case NFQA_IFINDEX_PHYSOUTDEV:
        p->out_port = value32(a);
        break;
      case NFQA_CAP_LEN:
        p->whole = value32(a);
        break;
      case NFQA_SKB_INFO:
        p->skb_info = value32(a);
        break;
      case NFQA_VLAN:
        take_tag(a, p);
        break;
      case NFQA_L2HDR:
        take_link_header(a, p);
        break;
      case NFQA_PAYLOAD:
        take_payload(a, p);
        break;
      default:
        break;
    }
  }
  return true;
}

bool parse_log_packet(const uint8_t* message, size_t length, PacketFields* p) {
  *p = {};
  if (!take_family(message, length, p)) return false;
  constexpr size_t kStart = kNetlinkHeader + kGenericHeader;
  Attribute a;
  for (Attributes all(message + kStart, length - kStart); all.next(&a);) {
    switch (a.type) {
      case NFULA_PACKET_HDR:
        if (a.length >= 2) p->protocol = load_be16(a.data);
        break;
      case NFULA_SEQ:
        if (a.length < 4) break;
        p->has_number = true;
        p->number = load_be32(a.data);
        break;
      case NFULA_MARK:
        p->mark = value32(a);
        break;
      case NFULA_TIMESTAMP:
        take_time(a, p);
        break;
      case NFULA_IFINDEX_INDEV:
        p->in_device = value32(a);
        break;
      case NFULA_IFINDEX_OUTDEV:
        p->out_device = value32(a);
        break;
      case NFULA_IFINDEX_PHYSINDEV:
        p->in_port = value32(a);
        break;
      case NFULA_IFINDEX_PHYSOUTDEV:
        p->out_port = value32(a);
        break;
      case NFULA_VLAN:
        take_tag(a, p);
        break;
      case NFULA_L2HDR:
        take_link_header(a, p);
        break;
      case NFULA_PAYLOAD:
        take_payload(a, p);
        break;
      default:
        break;
    }
  }
  // nfnetlink_log does not say that it cut a packet; the packet's own header does.
  const size_t whole = ip_length(p->payload, p->length);
  if (whole > p->length) p->whole = static_cast<uint32_t>(whole);
  return true;
}

void frame_of(const PacketFields& p, uint8_t* base, uint8_t* message, Frame* f) {
  uint8_t* start = p.payload == nullptr ? message : base + (p.payload - base);
  const size_t tag = p.has_tag ? kTag : 0;
  size_t lead = 0;
  f->link = p.protocol == ETHERTYPE_IP || p.protocol == ETHERTYPE_IPV6 ? kLinkRawIp : kLinkOther | p.protocol;
  if (p.link_length > 0 && p.payload != nullptr && static_cast<size_t>(start - message) >= p.link_length + tag) {
    // The header may lie where it is to be written.
    uint8_t header[kMaxLinkHeader];
    memcpy(header, p.link_header, p.link_length);
    lead = p.link_length + tag;
    start -= lead;
    memcpy(start, header, kAddresses);
    if (p.has_tag) {
      const uint8_t bytes[kTag] = {static_cast<uint8_t>(p.tpid >> 8), static_cast<uint8_t>(p.tpid),
                                   static_cast<uint8_t>(p.tci >> 8), static_cast<uint8_t>(p.tci)};
      memcpy(start + kAddresses, bytes, kTag);
    }
    memcpy(start + kAddresses + tag, header + kAddresses, p.link_length - kAddresses);
    f->link = kLinkEthernet;
  }
  const size_t wire = std::max(p.length, std::min<size_t>(p.whole, kMaxWire));
  f->offset = static_cast<int32_t>(start - base);
  f->captured = static_cast<int32_t>(p.length + lead);
  f->wire = static_cast<int32_t>(wire + lead);
  f->flags = (p.skb_info & NFQA_SKB_CSUMNOTREADY)       ? kFrameCsumNotReady
             : (p.skb_info & NFQA_SKB_CSUM_NOTVERIFIED) ? 0
                                                        : kFrameCsumValid;
  if (wire > p.length || p.cut || p.payload == nullptr) f->flags |= kFrameTruncated;
  f->packet_id = static_cast<int32_t>(p.number);
  f->mark = static_cast<int32_t>(p.mark);
  f->in_device = static_cast<int32_t>(p.in_port != 0 ? p.in_port : p.in_device);
  f->out_device = static_cast<int32_t>(p.out_port != 0 ? p.out_port : p.out_device);
  f->lead = static_cast<int32_t>(lead);
  f->reserved[0] = f->reserved[1] = 0;
}

size_t ip_length(const uint8_t* packet, size_t length) {
  if (length >= 20 && packet[0] >> 4 == 4) return load_be16(packet + 2);
  if (length >= 40 && packet[0] >> 4 == 6) {
    const size_t payload = load_be16(packet + 4);
    return payload == 0 ? 0 : payload + 40;  // 0: a jumbogram (RFC 2675)
  }
  return 0;
}

}  // namespace sluice
