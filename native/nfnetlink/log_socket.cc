#include "nfnetlink/log_socket.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink_log.h>

namespace sluice {
namespace {

constexpr unsigned kSlots = 64;
constexpr uint32_t kMinSize = 4096, kMaxSize = 131072;  // nfnetlink_log ignores what is outside
constexpr size_t kLongestMessage = 0xffff + 1024;

}  // namespace

int LogSocket::open(const LogOptions& o, std::string* step) {
  group_ = o.group;
  const uint32_t size = std::clamp(o.max_size, kMinSize, kMaxSize);
  if (const int r = open_socket(o.receive_buffer, step); r < 0) return r;
  // The kernel fills a datagram up to what its allocator rounded the size up to.
  const size_t longest = std::bit_ceil(std::max<size_t>(size, kLongestMessage) + 1024);
  if (const int r = make_slots(kSlots, longest, step); r < 0) return r;

  MessageWriter message(128);
  message.begin(NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, 0, group_);
  const nfulnl_msg_config_cmd command{NFULNL_CFG_CMD_BIND};
  message.put(NFULA_CFG_CMD, &command, sizeof command);
  const nfulnl_msg_config_mode mode{__builtin_bswap32(0xffff), NFULNL_COPY_PACKET, 0};
  message.put(NFULA_CFG_MODE, &mode, sizeof mode);
  message.put_be32(NFULA_CFG_NLBUFSIZ, size);
  message.put_be32(NFULA_CFG_TIMEOUT, o.timeout);
  message.put_be32(NFULA_CFG_QTHRESH, o.threshold);
  const uint16_t flags = __builtin_bswap16(NFULNL_CFG_F_SEQ);
  message.put(NFULA_CFG_FLAGS, &flags, sizeof flags);
  message.end();
  const int r = configure(message, step, "NFULNL_CFG_CMD_BIND");
  return r == -EPERM || r == -EEXIST ? -EBUSY : r;
}

bool LogSocket::take(uint8_t* message, size_t length, PacketFields* packet) {
  return (load<nlmsghdr>(message).nlmsg_type & 0xff) == NFULNL_MSG_PACKET && parse_log_packet(message, length, packet);
}

int LogSocket::close_intake(std::string* step) {
  *step = "NFULNL_CFG_CMD_UNBIND";
  MessageWriter message(64);
  message.begin(NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, 0, group_);
  const nfulnl_msg_config_cmd command{NFULNL_CFG_CMD_UNBIND};
  message.put(NFULA_CFG_CMD, &command, sizeof command);
  message.end();
  if (const int r = send_all(message.data(), message.size()); r < 0) return r;
  // The kernel has sent what it had gathered, or has refused, if the process has given up its rights since: then the
  // group goes on, and whoever drains this socket would never be done.
  *step = "SO_ATTACH_FILTER";
  sock_filter reject_all[] = {{BPF_RET | BPF_K, 0, 0, 0}};
  const sock_fprog program{1, reject_all};
  return setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : -errno;
}

}  // namespace sluice
