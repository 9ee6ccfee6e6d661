// One AF_PACKET socket: a TPACKET_V2 receive ring, and batched transmission of frames by sendmmsg.
//
// Frames that fit a ring slot are read in place. Longer ones (super-packets of GRO/GSO, jumbo frames) are cut
// in the ring, and PACKET_COPY_THRESH makes the kernel queue them whole on the same socket; receive() fetches
// those into the overflow slots. So small packets cost no system call each and a 64 kB one still arrives whole.
//
//   overflow area, one slot per long frame of a batch:
//   | 54 B free | 10 B virtio_net_hdr | frame, up to kOverflowFrame bytes | ...
//
// A socket belongs to one thread. See packet(7) and Documentation/networking/packet_mmap.rst.
#pragma once

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "frame_source.h"

namespace sluice {

// struct virtio_net_hdr, ahead of every frame when vnet is on (virtio 1.2, 5.1.6). linux/virtio_net.h itself is
// no valid C++: it names a field `class`.
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
};
constexpr uint8_t kVnetNeedsCsum = 1;
constexpr uint8_t kVnetGsoNone = 0;
constexpr size_t kVnetHeader = sizeof(VnetHeader);
static_assert(kVnetHeader == 10);
constexpr size_t kOverflowFrame = 65536 + 256;  // 64 KiB IP packet, link header, tag stack
constexpr size_t kOverflowLead = 64;
constexpr size_t kOverflowSlot = kOverflowLead + kOverflowFrame;
constexpr unsigned kOverflowSlots = 32;

struct PacketSocketOptions {
  std::string interface;
  bool vnet = false;  // PACKET_VNET_HDR: super-packets and partial checksums cross whole
  bool promiscuous = true;
  unsigned frame_size = 2048;  // power of two, at least 512
  unsigned frame_count = 16384;
  int receive_buffer = 16 << 20;  // for long frames
  int fanout_id = -1;             // -1: no fanout group
  unsigned fanout_type = PACKET_FANOUT_HASH;
  bool fanout_defrag = false;
};

struct TransmitFrame {
  const uint8_t* data;  // the virtio_net_hdr when the socket has vnet on, else the frame
  size_t length;
};

struct TransmitResult {
  uint32_t sent = 0;
  uint32_t errors = 0;    // refused by the kernel for another reason
  uint32_t busy = 0;      // no buffer within the bounded wait (ENOBUFS)
  uint32_t too_long = 0;  // above the interface's MTU (EMSGSIZE)
  uint32_t link_down = 0;
};

class PacketSocket final : public FrameSource {
 public:
  static constexpr Kind kKind = Kind::packet;

  PacketSocket() : FrameSource(kKind) {}
  ~PacketSocket() override;

  // 0, or -errno with the failing step in `step`.
  int open(const PacketSocketOptions& options, std::string* step);

  // Re-inserts stripped VLAN tags. A frame's region is one of the two numbers below.
  unsigned receive(Frame* frames, unsigned max) override;
  void release() override;

  // Sends `count` frames in order. Waits for room, bounded; what cannot be sent is counted, never retried for ever.
  TransmitResult transmit(const TransmitFrame* frames, unsigned count);

  // By a filter that rejects all.
  int close_intake(std::string* step) override;
  // Drops all that has arrived so far; returns how many frames.
  unsigned discard();
  // Packets and drops since the last call (the kernel resets them; packets include the drops).
  void statistics(uint32_t* packets, uint32_t* drops) const;

  int fd() const override { return fd_; }
  bool vnet() const { return vnet_; }
  uint8_t* ring() const { return ring_; }
  size_t ring_bytes() const { return ring_bytes_; }
  std::vector<uint8_t>& overflow() { return overflow_; }
  uint32_t ring_region = 0;
  uint32_t overflow_region = 0;

 private:
  bool fetch_overflow(Frame* frame);

  int fd_ = -1;
  bool vnet_ = false;
  uint8_t* ring_ = nullptr;
  size_t ring_bytes_ = 0;
  unsigned frame_size_ = 0;
  unsigned frame_count_ = 0;
  unsigned next_ = 0;        // first frame not yet received
  unsigned unreleased_ = 0;  // frames received and still held
  unsigned overflow_used_ = 0;
  std::vector<uint8_t> overflow_;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> vectors_;
};

}  // namespace sluice
