// What the start-up checks need to know of a network interface.
#pragma once

#include <string>

namespace sluice {

struct InterfaceFacts {
  int index = 0;
  int mtu = 0;
  bool up = false;
  // Offloads that merge or split packets, or leave checksums open (ethtool -k).
  bool gro = false, lro = false, tso = false, gso = false, rx_checksum = false, tx_checksum = false;
};

// 0, or -errno (-ENODEV: no such interface).
int interface_facts(const std::string& name, InterfaceFacts* facts);

}  // namespace sluice
