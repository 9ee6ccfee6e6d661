#include "af_packet/interface.h"

#include <cerrno>
#include <cstring>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sluice {
namespace {

struct Socket {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ~Socket() {
    if (fd >= 0) close(fd);
  }
};

bool offload(int fd, ifreq request, uint32_t command, uint32_t mask) {
  ethtool_value value{command, 0};
  request.ifr_data = reinterpret_cast<char*>(&value);
  return ioctl(fd, SIOCETHTOOL, &request) == 0 && (value.data & mask) != 0;
}

}  // namespace

int interface_facts(const std::string& name, InterfaceFacts* facts) {
  if (name.empty() || name.size() >= IFNAMSIZ) return -ENODEV;
  const Socket s;
  if (s.fd < 0) return -errno;
  ifreq request{};
  memcpy(request.ifr_name, name.c_str(), name.size());
  if (ioctl(s.fd, SIOCGIFINDEX, &request) != 0) return -errno;
  facts->index = request.ifr_ifindex;
  if (ioctl(s.fd, SIOCGIFMTU, &request) != 0) return -errno;
  facts->mtu = request.ifr_mtu;
  if (ioctl(s.fd, SIOCGIFFLAGS, &request) != 0) return -errno;
  facts->up = (request.ifr_flags & IFF_UP) != 0;
  facts->gro = offload(s.fd, request, ETHTOOL_GGRO, 1);
  facts->gso = offload(s.fd, request, ETHTOOL_GGSO, 1);
  facts->tso = offload(s.fd, request, ETHTOOL_GTSO, 1);
  facts->lro = offload(s.fd, request, ETHTOOL_GFLAGS, ETH_FLAG_LRO);
  facts->rx_checksum = offload(s.fd, request, ETHTOOL_GRXCSUM, 1);
  facts->tx_checksum = offload(s.fd, request, ETHTOOL_GTXCSUM, 1);
  return 0;
}

}  // namespace sluice
