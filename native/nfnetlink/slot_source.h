// A netlink socket of netfilter that packets come by: NFQUEUE's and NFLOG's common part.
//
// Datagrams are received in batches into slots of one buffer, and frames point into them. A datagram may hold many
// packets (NFLOG), more than one call asks for: the cursor (slot, offset) keeps the place.
//
//   | slot 0                        | slot 1            | ...   an odd number of cache lines each, so that the
//   | datagram: message, message .. | datagram ..       |       beginnings of the slots do not share cache sets
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "frame_source.h"
#include "nfnetlink/message.h"
#include "nfnetlink/packet_message.h"

namespace sluice {

class SlotSource : public FrameSource {
 public:
  ~SlotSource() override;

  int fd() const override { return fd_; }
  unsigned receive(Frame* frames, unsigned max) override;
  void release() override { held_ = false; }
  bool pending() const override { return slot_ < filled_; }

  uint8_t* buffer() const { return buffer_; }
  size_t buffer_bytes() const { return slots_ * stride_; }
  uint32_t buffer_region = 0;

  // Datagrams that the receive buffer had no room for, and ENOBUFS.
  uint64_t overruns() const;
  // Packets by whose numbers others are missing before them.
  uint64_t missing() const { return missing_; }

 protected:
  SlotSource(Kind kind, uint8_t subsystem, uint32_t first_number)
      : FrameSource(kind), subsystem_(subsystem), expected_(first_number) {}

  // All three: 0, or -errno with the failing step.
  int open_socket(int receive_buffer, std::string* step);
  int make_slots(unsigned slots, size_t bytes, std::string* step);
  // Sends a message without NLM_F_ACK that is the first on this socket to make packets come. The kernel acts on it
  // within send(): a refusal then lies in the socket already, and packets are in nobody's way.
  int configure(const MessageWriter& message, std::string* step, const char* what);

  // Describes the packet of a message. False: there is none in it.
  virtual bool take(uint8_t* message, size_t length, PacketFields* packet) = 0;
  // An error that the kernel sent for a message of ours.
  virtual void refused(int error) = 0;

  // Sends; waits for memory, bounded. 0 or -errno.
  int send_all(const uint8_t* data, size_t length);

  int fd_ = -1;

 private:
  bool fill(unsigned max);
  void count(const PacketFields& packet);

  const uint8_t subsystem_;
  uint8_t* buffer_ = nullptr;
  size_t slots_ = 0;
  size_t stride_ = 0;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> vectors_;
  unsigned filled_ = 0;  // datagrams of the last fill
  unsigned slot_ = 0;    // cursor
  size_t offset_ = 0;
  bool held_ = false;  // frames of the slots are in use
  uint32_t seconds_ = 0, nanoseconds_ = 0;
  uint32_t expected_;  // number of the next packet
  uint64_t missing_ = 0;
  uint64_t overruns_ = 0;
};

}  // namespace sluice
