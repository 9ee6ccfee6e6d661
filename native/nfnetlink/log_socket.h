// One NFLOG group: copies of packets, many in a datagram. See linux/netfilter/nfnetlink_log.h.
#pragma once

#include <cstdint>
#include <string>

#include "nfnetlink/slot_source.h"

namespace sluice {

struct LogOptions {
  uint16_t group = 0;
  int receive_buffer = 16 << 20;
  uint32_t threshold = 1;     // packets that a datagram waits for
  uint32_t timeout = 100;     // hundredths of a second that it waits at most
  uint32_t max_size = 18432;  // bytes that a datagram may grow to, unless one packet is longer
};

class LogSocket final : public SlotSource {
 public:
  static constexpr Kind kKind = Kind::log;

  LogSocket() : SlotSource(kKind, NFNL_SUBSYS_ULOG, 0) {}

  // 0, or -errno with the failing step; errors as QueueSocket::open.
  int open(const LogOptions& options, std::string* step);
  // Gives the group back: the kernel sends what it has gathered, then no more. Without CAP_NET_ADMIN no more comes
  // either, and what it has gathered is lost.
  int close_intake(std::string* step) override;

 private:
  bool take(uint8_t* message, size_t length, PacketFields* packet) override;
  void refused(int) override {}

  uint16_t group_ = 0;
};

}  // namespace sluice
