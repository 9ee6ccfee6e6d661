#include "nfnetlink/raw_sender.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sluice {
namespace {

constexpr size_t kIpv4Header = 20, kIpv4Destination = 16;
constexpr size_t kIpv6Header = 40, kIpv6Destination = 24;

int send_to(int fd, const uint8_t* data, size_t length, const void* address, socklen_t size) {
  if (fd < 0) return EBADF;
  for (;;) {
    if (sendto(fd, data, length, MSG_DONTWAIT, static_cast<const sockaddr*>(address), size) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace

RawSender::~RawSender() {
  for (const int fd : {ipv4_, ipv6_, link_})
    if (fd >= 0) close(fd);
}

int RawSender::open(std::string* step) {
  constexpr int kType = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
  // IPPROTO_RAW: we write the IP header, and nothing is received. Protocol 0: nothing is received either.
  if (ipv4_ < 0) ipv4_ = socket(AF_INET, kType, IPPROTO_RAW);
  if (ipv4_ < 0) {
    *step = "socket(AF_INET, SOCK_RAW)";
    return -errno;
  }
  if (ipv6_ < 0) ipv6_ = socket(AF_INET6, kType, IPPROTO_RAW);
  if (ipv6_ < 0 && errno != EAFNOSUPPORT) {
    *step = "socket(AF_INET6, SOCK_RAW)";
    return -errno;
  }
  if (link_ < 0) link_ = socket(AF_PACKET, kType, 0);
  if (link_ < 0) {
    *step = "socket(AF_PACKET, SOCK_RAW)";
    return -errno;
  }
  return 0;
}

int RawSender::send_ip(const uint8_t* packet, size_t length, uint32_t interface) {
  if (length >= kIpv4Header && packet[0] >> 4 == 4) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    memcpy(&to.sin_addr, packet + kIpv4Destination, sizeof to.sin_addr);
    return send_to(ipv4_, packet, length, &to, sizeof to);
  }
  if (length >= kIpv6Header && packet[0] >> 4 == 6) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    memcpy(&to.sin6_addr, packet + kIpv6Destination, sizeof to.sin6_addr);
    if (IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&to.sin6_addr)) to.sin6_scope_id = interface;
    return send_to(ipv6_, packet, length, &to, sizeof to);
  }
  return EINVAL;
}

int RawSender::send_link(const uint8_t* frame, size_t length, uint32_t interface) {
  if (length < sizeof(ether_header) || interface == 0) return EINVAL;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(interface);
  to.sll_halen = ETH_ALEN;
  memcpy(to.sll_addr, frame, ETH_ALEN);
  memcpy(&to.sll_protocol, frame + 2 * ETH_ALEN, sizeof to.sll_protocol);
  return send_to(link_, frame, length, &to, sizeof to);
}

}  // namespace sluice
