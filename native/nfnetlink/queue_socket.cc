#include "nfnetlink/queue_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <unistd.h>

namespace sluice {
namespace {

constexpr size_t kSendBytes = 32 << 10;
constexpr size_t kMessageRoom = 1024;  // headers and attributes beside the payload, link header included
constexpr unsigned kSlots = kMaxBatch;

}  // namespace

QueueSocket::QueueSocket() : SlotSource(kKind, NFNL_SUBSYS_QUEUE, 1), out_(kSendBytes + 0xffff + kMessageRoom) {}

QueueSocket::~QueueSocket() {
  if (proc_ >= 0) close(proc_);
}

int QueueSocket::open(const QueueOptions& o, std::string* step) {
  queue_ = o.queue;
  if (const int r = open_socket(o.receive_buffer, step); r < 0) return r;
  if (const int r = make_slots(kSlots, std::min<size_t>(o.copy_range, 0xffff) + kMessageRoom, step); r < 0) return r;
  // Of this thread's network namespace. A kernel without /proc only has no statistics.
  proc_ = ::open("/proc/thread-self/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC);

  // One message, so that there is no time in which the queue is bound and refuses packets. The kernel looks at all
  // that it could refuse before it binds.
  MessageWriter message(128);
  message.begin(NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, 0, queue_);
  const nfqnl_msg_config_cmd command{NFQNL_CFG_CMD_BIND, 0, 0};
  message.put(NFQA_CFG_CMD, &command, sizeof command);
  // Packets that a full queue lets pass leave no trace, but those that the receive buffer refuses use an id up.
  message.put_be32(NFQA_CFG_QUEUE_MAXLEN, o.fail_open ? 0xffffffff : o.length);
  message.put_be32(NFQA_CFG_FLAGS, (o.gso ? NFQA_CFG_F_GSO : 0) | (o.fail_open ? NFQA_CFG_F_FAIL_OPEN : 0));
  message.put_be32(NFQA_CFG_MASK, NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_CONNTRACK | NFQA_CFG_F_UID_GID);
  const nfqnl_msg_config_params params{__builtin_bswap32(o.copy_range), NFQNL_COPY_PACKET};
  message.put(NFQA_CFG_PARAMS, &params, sizeof params);
  message.end();
  const int r = configure(message, step, "NFQNL_CFG_CMD_BIND");
  // The right was there a moment ago: the queue is someone else's.
  return r == -EPERM || r == -EEXIST ? -EBUSY : r;
}

bool QueueSocket::take(uint8_t* message, size_t length, PacketFields* packet) {
  // Without an id nothing can be answered; the next packet's id tells that this one is missing.
  return (load<nlmsghdr>(message).nlmsg_type & 0xff) == NFQNL_MSG_PACKET &&
         parse_queue_packet(message, length, packet) && packet->has_number;
}

void QueueSocket::refused(int) { refused_++; }

void QueueSocket::put(const Verdict& v) {
  const bool too_long = v.length > kMaxAttributeValue;
  const nfqnl_msg_verdict_hdr header{__builtin_bswap32(too_long ? static_cast<uint32_t>(NF_DROP) : v.verdict),
                                     __builtin_bswap32(v.packet_id)};
  out_.begin(NFNL_SUBSYS_QUEUE, v.up_to ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT, 0, queue_);
  out_.put(NFQA_VERDICT_HDR, &header, sizeof header);
  if (v.has_mark) out_.put_be32(NFQA_MARK, v.mark);
  if (v.payload != nullptr && !too_long) out_.put(NFQA_PAYLOAD, v.payload, v.length);
  out_.end();
  pending_++;
  if (out_.size() >= kSendBytes) flush();
}

void QueueSocket::flush() {
  if (pending_ == 0) return;
  (send_all(out_.data(), out_.size()) == 0 ? sent_ : refused_) += pending_;
  out_.clear();
  pending_ = 0;
}

void QueueSocket::take_results(uint32_t* sent, uint32_t* refused) {
  *sent = sent_;
  *refused = refused_;
  sent_ = refused_ = 0;
}

int QueueSocket::close_intake(std::string* step) {
  *step = "NFQA_CFG_QUEUE_MAXLEN";
  out_.begin(NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, 0, queue_);
  out_.put_be32(NFQA_CFG_QUEUE_MAXLEN, 0);
  out_.end();
  const int r = send_all(out_.data(), out_.size());
  out_.clear();
  return r;
}

// One line a queue: number, port id, depth, copy mode, copy range, dropped, user dropped, last id, 1
QueueStatistics QueueSocket::statistics() const {
  QueueStatistics s;
  s.missing = missing();
  s.overruns = overruns();
  if (proc_ < 0) return s;
  char text[4096];
  size_t kept = 0;
  for (off_t at = 0;;) {
    const ssize_t n = pread(proc_, text + kept, sizeof text - 1 - kept, at);
    if (n <= 0) return s;
    at += n;
    const size_t length = kept + static_cast<size_t>(n);
    text[length] = '\0';
    size_t line = 0;
    for (size_t i = 0; i < length; i++) {
      if (text[i] != '\n') continue;
      text[i] = '\0';
      unsigned number, depth, dropped, user;
      if (sscanf(text + line, "%u %*u %u %*u %*u %u %u", &number, &depth, &dropped, &user) == 4 && number == queue_) {
        s.depth = depth;
        s.dropped = dropped;
        s.user_dropped = user;
        return s;
      }
      line = i + 1;
    }
    kept = length - line;
    if (kept == sizeof text - 1) return s;
    memmove(text, text + line, kept);
  }
}

}  // namespace sluice
