#include "nfnetlink/slot_source.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <linux/sock_diag.h>
#include <sys/mman.h>
#include <unistd.h>

namespace sluice {
namespace {

constexpr size_t kLine = 64;
constexpr int kBusyWaits = 20;
constexpr long kBusyNapNs = 100000;
constexpr int kSendBuffer = 1 << 20;

template <typename T>
int set(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

// The socket first: until it is closed, its queue refuses what comes.
SlotSource::~SlotSource() {
  if (fd_ >= 0) close(fd_);
  if (buffer_ != nullptr) munmap(buffer_, buffer_bytes());
}

int SlotSource::open_socket(int receive_buffer, std::string* step) {
  const auto failed = [&](const char* what, int error) {
    *step = what;
    return -error;
  };
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd_ < 0) return failed("socket(NETLINK_NETFILTER)", errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return failed("bind", errno);

  // nfnetlink looks at the right before anything else, and at the subsystem before the message: one that nobody
  // sends to the kernel tells whether both are there, and changes nothing.
  MessageWriter probe(64);
  probe.begin(subsystem_, 0, NLM_F_ACK, 0);
  probe.end();
  if (const int r = send_all(probe.data(), probe.size()); r < 0) return failed("send", -r);
  uint8_t answer[512];
  ssize_t n;
  do n = recv(fd_, answer, sizeof answer, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0) return failed("recv", errno);
  size_t at = 0;
  Message message;
  const int error = next_message(answer, static_cast<size_t>(n), &at, &message) ? error_of(answer, message) : -1;
  if (error == EPERM) return failed("CAP_NET_ADMIN", EPERM);
  if (error == EINVAL) {
    return failed(subsystem_ == NFNL_SUBSYS_QUEUE ? "nfnetlink_queue" : "nfnetlink_log", EPROTONOSUPPORT);
  }

  if (set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer) != 0 && set(fd_, SOL_SOCKET, SO_RCVBUF, receive_buffer) != 0)
    return failed("SO_RCVBUF", errno);
  set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer);
  // Without it one overrun makes the kernel refuse everything until the buffer has run empty.
  if (set(fd_, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1) != 0) return failed("NETLINK_NO_ENOBUFS", errno);
  return 0;
}

int SlotSource::make_slots(unsigned slots, size_t bytes, std::string* step) {
  const size_t stride = (bytes / kLine | 1) * kLine;
  void* map = mmap(nullptr, stride * slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    *step = "mmap of the receive slots";
    return -errno;
  }
  buffer_ = static_cast<uint8_t*>(map);
  slots_ = slots;
  stride_ = stride;
  messages_.resize(slots);
  vectors_.resize(slots);
  for (unsigned i = 0; i < slots; i++) {
    vectors_[i] = {buffer_ + i * stride_, stride_};
    messages_[i] = {};
    messages_[i].msg_hdr.msg_iov = &vectors_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
  return 0;
}

int SlotSource::configure(const MessageWriter& message, std::string* step, const char* what) {
  *step = what;
  if (const int r = send_all(message.data(), message.size()); r < 0) return r;
  uint8_t answer[kNetlinkHeader + sizeof(int32_t)];
  ssize_t n;
  do n = recv(fd_, answer, sizeof answer, MSG_PEEK | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  size_t at = 0;
  Message first;
  if (n <= 0 || !next_message(answer, static_cast<size_t>(n), &at, &first)) return 0;
  const int error = error_of(answer, first);
  return error > 0 ? -error : 0;
}

int SlotSource::send_all(const uint8_t* data, size_t length) {
  for (int waits = 0;;) {
    if (send(fd_, data, length, MSG_DONTWAIT) >= 0) return 0;
    if (errno == EINTR) continue;
    if ((errno != ENOBUFS && errno != EAGAIN) || waits++ == kBusyWaits) return -errno;
    const timespec nap{0, kBusyNapNs};
    nanosleep(&nap, nullptr);
  }
}

unsigned SlotSource::receive(Frame* frames, unsigned max) {
  unsigned n = 0;
  while (n < max) {
    if (slot_ == filled_) {
      // The slots can be filled again only when nobody looks at them.
      if (held_ || !fill(max)) break;
    }
    uint8_t* datagram = buffer_ + slot_ * stride_;
    const size_t length = std::min<size_t>(messages_[slot_].msg_len, stride_);
    Message message;
    if (!next_message(datagram, length, &offset_, &message)) {
      slot_++;
      offset_ = 0;
      continue;
    }
    if (message.type == NLMSG_ERROR) {
      const int error = error_of(datagram, message);
      if (error > 0) refused(error);
      continue;
    }
    PacketFields packet;
    uint8_t* start = datagram + message.at;
    if (message.type >> 8 != subsystem_ || !take(start, message.length, &packet)) continue;
    count(packet);
    Frame& f = frames[n++];
    frame_of(packet, buffer_, start, &f);
    f.region = static_cast<int32_t>(buffer_region);
    f.seconds = static_cast<int32_t>(packet.has_time ? packet.seconds : seconds_);
    f.nanoseconds = static_cast<int32_t>(packet.has_time ? packet.nanoseconds : nanoseconds_);
    f.socket = 0;
    held_ = true;
  }
  return n;
}

bool SlotSource::fill(unsigned max) {
  const auto want = static_cast<unsigned>(std::min<size_t>(max, slots_));
  for (int tries = 0; tries < 2;) {
    const int r = recvmmsg(fd_, messages_.data(), want, MSG_DONTWAIT, nullptr);
    if (r > 0) {
      filled_ = static_cast<unsigned>(r);
      slot_ = 0;
      offset_ = 0;
      timespec now;
      clock_gettime(CLOCK_REALTIME, &now);
      seconds_ = static_cast<uint32_t>(now.tv_sec);
      nanoseconds_ = static_cast<uint32_t>(now.tv_nsec);
      return true;
    }
    if (r < 0 && errno == EINTR) continue;
    if (r == 0 || errno != ENOBUFS) return false;
    overruns_++;
    tries++;
  }
  return false;
}

// A number that is not ahead says nothing of what is missing: the count begins anew there.
void SlotSource::count(const PacketFields& packet) {
  if (!packet.has_number) return;
  const auto gap = static_cast<int32_t>(packet.number - expected_);
  if (gap > 0) missing_ += static_cast<uint32_t>(gap);
  expected_ = packet.number + 1;
}

uint64_t SlotSource::overruns() const {
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof memory;
  if (getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0 || length <= SK_MEMINFO_DROPS * sizeof memory[0])
    return overruns_;
  return overruns_ + memory[SK_MEMINFO_DROPS];
}

}  // namespace sluice
