// Sends complete IP packets through the routing table, and complete Ethernet frames out of an interface: answers to
// what came by netfilter. One per thread; nothing blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice {

class RawSender {
 public:
  RawSender() = default;
  ~RawSender();
  RawSender(const RawSender&) = delete;
  RawSender& operator=(const RawSender&) = delete;

  // Needs CAP_NET_RAW. 0, or -errno with the failing step. IPv6 may be absent. A second call changes nothing.
  int open(std::string* step);
  // Both: 0 or an errno. `interface`: where an IPv6 link-local destination is meant.
  int send_ip(const uint8_t* packet, size_t length, uint32_t interface);
  int send_link(const uint8_t* frame, size_t length, uint32_t interface);

 private:
  int ipv4_ = -1;
  int ipv6_ = -1;
  int link_ = -1;
};

}  // namespace sluice
