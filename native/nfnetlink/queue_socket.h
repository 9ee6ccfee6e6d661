// One NFQUEUE queue, spoken to over netlink directly: packets in, verdicts out, both in batches.
// See linux/netfilter/nfnetlink_queue.h.
#pragma once

#include <cstdint>
#include <string>

#include "nfnetlink/slot_source.h"

namespace sluice {

struct QueueOptions {
  uint16_t queue = 0;
  uint32_t length = 4096;  // NFQA_CFG_QUEUE_MAXLEN; with fail_open the receive buffer alone is the bound
  int receive_buffer = 16 << 20;
  uint32_t copy_range = 0xffff;
  bool gso = true;  // super-packets come whole, with their checksums not filled in
  bool fail_open = false;
};

struct Verdict {
  uint32_t packet_id;
  bool up_to;        // all packets up to this id
  uint32_t verdict;  // NF_*
  bool has_mark;
  uint32_t mark;
  const uint8_t* payload;  // nullptr: the packet is as it was
  size_t length;
};

struct QueueStatistics {
  uint64_t depth = 0, dropped = 0, user_dropped = 0, missing = 0, overruns = 0;
};

class QueueSocket final : public SlotSource {
 public:
  static constexpr Kind kKind = Kind::queue;

  QueueSocket();
  ~QueueSocket() override;

  // 0, or -errno with the failing step: EPERM without CAP_NET_ADMIN, EBUSY when another socket holds the queue,
  // EPROTONOSUPPORT from a kernel without nfnetlink_queue.
  int open(const QueueOptions& options, std::string* step);

  // Appends one verdict; sends when enough have come together. A payload that no message can carry drops the packet.
  void put(const Verdict& verdict);
  void flush();
  // Messages since the last call. A refusal by the kernel is known only after a later receive().
  void take_results(uint32_t* sent, uint32_t* refused);

  // Length 0: what comes from now on is refused, or let pass with fail-open. What has come can still be answered.
  int close_intake(std::string* step) override;
  QueueStatistics statistics() const;

 private:
  bool take(uint8_t* message, size_t length, PacketFields* packet) override;
  void refused(int error) override;

  uint16_t queue_ = 0;
  int proc_ = -1;  // /proc/net/netfilter/nfnetlink_queue, opened while the thread may
  MessageWriter out_;
  uint32_t pending_ = 0;  // messages in out_
  uint32_t sent_ = 0, refused_ = 0;
};

}  // namespace sluice
