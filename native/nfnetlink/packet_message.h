// Packets as nfnetlink_queue and nfnetlink_log send them: from the bytes of a message to a Frame.
#pragma once

#include <cstddef>
#include <cstdint>

#include "frame_source.h"
#include "nfnetlink/message.h"

namespace sluice {

// What a message says of its packet; what it does not say is 0.
struct PacketFields {
  uint8_t family = 0;     // NFPROTO_*
  uint16_t protocol = 0;  // EtherType
  bool has_number = false;
  uint32_t number = 0;  // packet id of a queue, sequence number of a log group
  uint32_t mark = 0;
  uint32_t in_device = 0, out_device = 0;
  uint32_t in_port = 0, out_port = 0;  // of the bridge that the packet crosses
  bool has_time = false;
  uint32_t seconds = 0, nanoseconds = 0;
  uint32_t skb_info = 0;  // NFQA_SKB_*
  uint32_t whole = 0;     // bytes of the packet when the payload is only its beginning
  bool cut = false;       // the message itself is incomplete
  const uint8_t* payload = nullptr;
  size_t length = 0;
  const uint8_t* link_header = nullptr;
  size_t link_length = 0;
  bool has_tag = false;
  uint16_t tpid = 0, tci = 0;
};

// `message`: from the netlink header on. False when it is too short to be about a packet.
bool parse_queue_packet(const uint8_t* message, size_t length, PacketFields* packet);
bool parse_log_packet(const uint8_t* message, size_t length, PacketFields* packet);

// Describes the packet as a frame of `base`'s region; socket, region and time are left to the caller. Where the packet
// crosses a bridge, its link header and VLAN tag are put back, over the headers of the message that are read by then:
//
//   message | ... attributes ...                                 | payload
//   becomes | ...          | addresses 12 | TPID, TCI | type 2   | payload
//                          ^ frame->offset  <--- frame->lead --->
//
// `message`: where it begins, the lower end of what may be written.
void frame_of(const PacketFields& packet, uint8_t* base, uint8_t* message, Frame* frame);
// Bytes of the IP packet by its own header, 0 when that cannot be told.
size_t ip_length(const uint8_t* packet, size_t length);

}  // namespace sluice
