#include "traffic/traffic.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "af_packet/packet_socket.h"

namespace sluice {
namespace {

double monotonic() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}
uint64_t wall_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000ull + static_cast<uint64_t>(t.tv_nsec);
}
double cpu_seconds() {
  rusage u;
  getrusage(RUSAGE_THREAD, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct Descriptor {
  int fd;
  explicit Descriptor(int f) : fd(f) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

int floor_forward(const std::string& a, const std::string& b, double seconds, bool vnet, unsigned batch,
                  FloorResult* result, std::string* step) {
  PacketSocket sockets[2];
  for (int i = 0; i < 2; i++) {
    PacketSocketOptions o;
    o.interface = i == 0 ? a : b;
    o.vnet = vnet;
    const int r = sockets[i].open(o, step);
    if (r < 0) return r;
    sockets[i].ring_region = 0;
    sockets[i].overflow_region = 1;
  }
  Frame frames[kMaxBatch];
  TransmitFrame out[kMaxBatch];
  if (batch == 0 || batch > kMaxBatch) batch = 64;
  const size_t lead = vnet ? kVnetHeader : 0;
  const double end = monotonic() + seconds;
  double cpu_start = -1;
  while (monotonic() < end) {
    unsigned got = 0;
    for (int s = 0; s < 2; s++) {
      PacketSocket& in = sockets[s];
      const unsigned n = in.receive(frames, batch);
      if (n == 0) continue;
      if (cpu_start < 0) cpu_start = cpu_seconds();
      got += n;
      unsigned k = 0;
      for (unsigned i = 0; i < n; i++) {
        const Frame& f = frames[i];
        if (f.flags & kFrameTruncated) {
          result->errors++;
          continue;
        }
        const uint8_t* data = (f.region == 0 ? in.ring() : in.overflow().data()) + f.offset;
        out[k++] = {data - lead, static_cast<size_t>(f.captured) + lead};
        result->bytes += static_cast<uint64_t>(f.captured);
      }
      const TransmitResult r = sockets[1 - s].transmit(out, k);
      result->frames += r.sent;
      result->errors += k - r.sent;
      result->batches++;
      in.release();
    }
    if (got == 0) {
      pollfd p[2] = {{sockets[0].fd(), POLLIN, 0}, {sockets[1].fd(), POLLIN, 0}};
      poll(p, 2, 100);
    }
  }
  result->cpu_seconds = cpu_start < 0 ? 0 : cpu_seconds() - cpu_start;
  for (auto& s : sockets) {
    uint32_t packets = 0, drops = 0;
    s.statistics(&packets, &drops);
    result->kernel_drops += drops;
  }
  return 0;
}

int generate(const GeneratorOptions& o, uint64_t* sent, std::string* step) {
  constexpr unsigned kBatch = 64;
  if (o.length < 60 || o.length > 1518 || o.flows == 0) {
    *step = "frame length 60..1518 and at least one flow";
    return -EINVAL;
  }
  Descriptor s(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (s.fd < 0) {
    *step = "socket(AF_PACKET)";
    return -errno;
  }
  const int one = 1;
  setsockopt(s.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(if_nametoindex(o.interface.c_str()));
  if (address.sll_ifindex == 0 || bind(s.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    *step = "bind " + o.interface;
    return -errno;
  }
  std::vector<uint8_t> memory(kBatch * 2048, 0x41);
  std::vector<mmsghdr> messages(kBatch);
  std::vector<iovec> vectors(kBatch);
  const auto put16 = [](uint8_t* p, unsigned v) {
    p[0] = static_cast<uint8_t>(v >> 8);
    p[1] = static_cast<uint8_t>(v);
  };
  for (unsigned i = 0; i < kBatch; i++) {
    uint8_t* p = memory.data() + i * 2048;
    memcpy(p, o.mac, 6);
    memset(p + 6, 2, 6);
    put16(p + 12, ETHERTYPE_IP);
    uint8_t* ip = p + 14;
    memset(ip, 0, 28);
    ip[0] = 0x45;
    put16(ip + 2, o.length - 14);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 16, &o.destination, 4);
    put16(ip + 22, 1053);
    put16(ip + 24, o.length - 34);
    vectors[i] = {p, o.length};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const double start = monotonic();
  uint32_t flow = 0;
  for (;;) {
    for (unsigned i = 0; i < kBatch; i++) {
      uint8_t* ip = memory.data() + i * 2048 + 14;
      const uint32_t k = flow++ % o.flows;
      const uint32_t source = htonl(0x0a640000 + (k >> 14));
      memcpy(ip + 12, &source, 4);
      put16(ip + 20, 1024 + (k & 0x3fff));
      put16(ip + 10, 0);
      uint32_t sum = 0;
      for (int j = 0; j < 20; j += 2) sum += static_cast<uint32_t>(ip[j] << 8 | ip[j + 1]);
      sum = (sum >> 16) + (sum & 0xffff);
      sum += sum >> 16;
      put16(ip + 10, ~sum & 0xffff);
    }
    const int r = sendmmsg(s.fd, messages.data(), kBatch, 0);
    if (r > 0) *sent += static_cast<uint64_t>(r);
    const double elapsed = monotonic() - start;
    if (elapsed > o.seconds) break;
    while (o.pps > 0 && static_cast<double>(*sent) > o.pps * (monotonic() - start)) {
    }
  }
  return 0;
}

namespace {
struct Probe {
  uint64_t ns, sequence, magic;
};
constexpr uint64_t kProbeMagic = 0x51c351c3;
}  // namespace

int probe_send(const std::string& address, uint16_t port, double pps, double seconds, unsigned payload,
               uint64_t* sent) {
  Descriptor s(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (s.fd < 0 || payload < sizeof(Probe) || payload > 1472 || pps <= 0 ||
      inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1)
    return -EINVAL;
  if (connect(s.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return -errno;
  std::vector<uint8_t> buffer(payload, 0);
  const uint64_t start = wall_ns();
  const uint64_t end = start + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t n = 0;;) {
    const uint64_t now = wall_ns();
    if (now >= end) break;
    const uint64_t due = start + static_cast<uint64_t>(static_cast<double>(n) * 1e9 / pps);
    if (now < due) {
      if (due - now > 60000) {
        const timespec nap{0, 50000};
        nanosleep(&nap, nullptr);
      }
      continue;
    }
    const Probe probe{now, n++, kProbeMagic};
    memcpy(buffer.data(), &probe, sizeof probe);
    if (send(s.fd, buffer.data(), payload, 0) > 0) (*sent)++;
  }
  return 0;
}

int probe_receive(uint16_t port, double seconds, double idle, std::vector<double>* latencies) {
  Descriptor s(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (s.fd < 0) return -errno;
  const int one = 1, big = 64 << 20;
  setsockopt(s.fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  setsockopt(s.fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (bind(s.fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) return -errno;
  // Every few milliseconds, in batches: the time stamps are the kernel's, and a receiver that is woken for each
  // datagram would cost the sender's core and the device's more than the packets do.
  constexpr unsigned kBatch = 64;
  struct Slot {
    uint8_t payload[2048];
    alignas(cmsghdr) char control[64];
  };
  std::vector<Slot> slots(kBatch);
  std::vector<mmsghdr> messages(kBatch);
  std::vector<iovec> vectors(kBatch);
  const double end = monotonic() + seconds;
  double last = 0;
  while (monotonic() < end && (last == 0 || monotonic() - last < idle)) {
    for (unsigned i = 0; i < kBatch; i++) {
      vectors[i] = {slots[i].payload, sizeof slots[i].payload};
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = slots[i].control;
      messages[i].msg_hdr.msg_controllen = sizeof slots[i].control;
    }
    const int n = recvmmsg(s.fd, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (n <= 0) {
      const timespec nap{0, 2000000};
      nanosleep(&nap, nullptr);
      continue;
    }
    for (int i = 0; i < n; i++) {
      Probe probe;
      if (messages[i].msg_len < sizeof probe) continue;
      memcpy(&probe, slots[i].payload, sizeof probe);
      if (probe.magic != kProbeMagic) continue;
      last = monotonic();
      msghdr* header = &messages[i].msg_hdr;
      for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        latencies->push_back(static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec) -
                             static_cast<double>(probe.ns));
      }
    }
  }
  return 0;
}

}  // namespace sluice
