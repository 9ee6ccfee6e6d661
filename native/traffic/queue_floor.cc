// The NFQUEUE floor: the least that anyone can do who answers a queue. It shares no code with nfnetlink/, so that
// a comparison with it shows what Sluice's own costs.
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <vector>

#include "traffic/traffic.h"

namespace sluice {
namespace {

constexpr unsigned kReceive = 64;
constexpr size_t kSlot = 66624;  // an odd number of cache lines

struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) close(fd);
  }
};

double seconds_of(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

struct [[gnu::packed]] ConfigMessage {
  nlmsghdr header;
  nfgenmsg generic;
  nlattr command_header;
  nfqnl_msg_config_cmd command;
  nlattr length_header;
  uint32_t length;
  nlattr flags_header;
  uint32_t flags;
  nlattr mask_header;
  uint32_t mask;
  nlattr params_header;
  nfqnl_msg_config_params params;
  uint8_t padding[3];
};

struct VerdictMessage {
  nlmsghdr header;
  nfgenmsg generic;
  nlattr verdict_header;
  nfqnl_msg_verdict_hdr verdict;
};

template <typename T>
constexpr uint16_t attribute_length() {
  return sizeof(nlattr) + sizeof(T);
}

int bind_queue(int fd, uint16_t queue, bool gso) {
  ConfigMessage m{};
  m.header = {sizeof m, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
  m.generic.res_id = htons(queue);
  m.command_header = {attribute_length<nfqnl_msg_config_cmd>(), NFQA_CFG_CMD};
  m.command.command = NFQNL_CFG_CMD_BIND;
  m.length_header = {attribute_length<uint32_t>(), NFQA_CFG_QUEUE_MAXLEN};
  m.length = htonl(65535);
  m.flags_header = {attribute_length<uint32_t>(), NFQA_CFG_FLAGS};
  m.flags = htonl(gso ? NFQA_CFG_F_GSO : 0);
  m.mask_header = {attribute_length<uint32_t>(), NFQA_CFG_MASK};
  m.mask = htonl(NFQA_CFG_F_GSO);
  m.params_header = {attribute_length<nfqnl_msg_config_params>(), NFQA_CFG_PARAMS};
  m.params = {htonl(0xffff), NFQNL_COPY_PACKET};
  if (send(fd, &m, sizeof m, 0) < 0) return -errno;
  // A packet that overtakes the answer is left unanswered: it is dropped when the socket closes.
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } answer;
  do
    if (recv(fd, &answer, sizeof answer, 0) < 0) return -errno;
  while (answer.header.nlmsg_type != NLMSG_ERROR);
  return answer.error.error;
}

// The packet id is the first attribute (nfnetlink_queue.c has always sent it first).
bool packet_id(const uint8_t* message, size_t length, uint32_t* id) {
  constexpr size_t kId = sizeof(nlmsghdr) + sizeof(nfgenmsg) + sizeof(nlattr);
  if (length < kId + sizeof(nfqnl_msg_packet_hdr)) return false;
  nlmsghdr header;
  memcpy(&header, message, sizeof header);
  if (header.nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) return false;
  memcpy(id, message + kId, sizeof *id);
  return true;
}

uint64_t kernel_drops(uint16_t queue) {
  FILE* file = fopen("/proc/thread-self/net/netfilter/nfnetlink_queue", "r");
  if (file == nullptr) return 0;
  unsigned number, dropped, user;
  uint64_t drops = 0;
  while (fscanf(file, "%u %*u %*u %*u %*u %u %u %*u %*u", &number, &dropped, &user) == 3)
    if (number == queue) drops = static_cast<uint64_t>(dropped) + user;
  fclose(file);
  return drops;
}

}  // namespace

int floor_queue(uint16_t queue, double seconds, unsigned batch, bool gso, FloorResult* result, std::string* step) {
  Socket s;
  s.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  *step = "socket(NETLINK_NETFILTER)";
  if (s.fd < 0 || bind(s.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -errno;
  const int bytes = 64 << 20, one = 1;
  const timeval patience{0, 100000};
  setsockopt(s.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  setsockopt(s.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof one);
  setsockopt(s.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  *step = "NFQNL_CFG_CMD_BIND";
  if (const int r = bind_queue(s.fd, queue, gso); r < 0) return r;

  std::vector<uint8_t> buffer(kReceive * kSlot);
  mmsghdr messages[kReceive] = {};
  iovec vectors[kReceive];
  for (unsigned i = 0; i < kReceive; i++) {
    vectors[i] = {buffer.data() + i * kSlot, kSlot};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  if (batch == 0) batch = 1;
  VerdictMessage out{};
  out.header.nlmsg_len = sizeof out;
  out.header.nlmsg_type =
      static_cast<uint16_t>(NFNL_SUBSYS_QUEUE << 8 | (batch > 1 ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT));
  out.header.nlmsg_flags = NLM_F_REQUEST;
  out.generic.res_id = htons(queue);
  out.verdict_header = {attribute_length<nfqnl_msg_verdict_hdr>(), NFQA_VERDICT_HDR};
  out.verdict.verdict = htonl(NF_ACCEPT);
  unsigned pending = 0;
  const auto answer = [&] {
    if (pending == 0) return;
    if (send(s.fd, &out, sizeof out, 0) < 0) result->errors++;
    result->batches++;
    pending = 0;
  };
  const double end = seconds_of(CLOCK_MONOTONIC) + seconds;
  double cpu_start = -1;
  while (seconds_of(CLOCK_MONOTONIC) < end) {
    const int n = recvmmsg(s.fd, messages, kReceive, pending > 0 ? MSG_DONTWAIT : MSG_WAITFORONE, nullptr);
    if (n <= 0) {
      answer();
      continue;
    }
    if (cpu_start < 0) cpu_start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < n; i++) {
      if (!packet_id(buffer.data() + static_cast<unsigned>(i) * kSlot, messages[i].msg_len, &out.verdict.id)) continue;
      result->frames++;
      result->bytes += messages[i].msg_len;
      if (++pending >= batch) answer();
    }
    if (static_cast<unsigned>(n) < kReceive) answer();
  }
  answer();
  result->cpu_seconds = cpu_start < 0 ? 0 : seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
  result->kernel_drops = kernel_drops(queue);
  return 0;
}

}  // namespace sluice
