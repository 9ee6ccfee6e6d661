// Completes TCP and UDP checksums that the sender left to hardware (RFC 1071, RFC 9293, RFC 8200).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

inline uint32_t checksum_add(const uint8_t* data, size_t length, uint32_t sum) {
  for (size_t i = 0; i + 1 < length; i += 2) sum += static_cast<uint32_t>(data[i] << 8 | data[i + 1]);
  if (length & 1) sum += static_cast<uint32_t>(data[length - 1]) << 8;
  return sum;
}

inline uint16_t checksum_fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// `frame` starts at the Ethernet header. Does nothing when the packet is not TCP or UDP over IP, a fragment,
// or cut short. Returns true when a checksum was written.
inline bool checksum_complete(uint8_t* frame, size_t length) {
  size_t at = 12;
  if (length < 14) return false;
  uint16_t type = static_cast<uint16_t>(frame[at] << 8 | frame[at + 1]);
  for (int tags = 0; tags < 3 && (type == 0x8100 || type == 0x88a8 || type == 0x9100); tags++) {
    at += 4;
    if (length < at + 2) return false;
    type = static_cast<uint16_t>(frame[at] << 8 | frame[at + 1]);
  }
  uint8_t* ip = frame + at + 2;
  const size_t left = length - (at + 2);
  uint32_t sum = 0;
  uint8_t protocol;
  size_t header, total;
  if (type == 0x0800) {
    if (left < 20) return false;
    header = static_cast<size_t>(ip[0] & 15) * 4;
    total = static_cast<size_t>(ip[2] << 8 | ip[3]);
    if (header < 20 || total < header || total > left || (ip[6] & 0x3f) != 0 || ip[7] != 0) return false;
    protocol = ip[9];
    sum = checksum_add(ip + 12, 8, sum);
  } else if (type == 0x86dd) {
    if (left < 40) return false;
    header = 40;
    total = 40 + static_cast<size_t>(ip[4] << 8 | ip[5]);
    if (total > left) return false;
    protocol = ip[6];
    sum = checksum_add(ip + 8, 32, sum);
  } else {
    return false;
  }
  const size_t field = protocol == 6 ? 16 : protocol == 17 ? 6 : 0;
  uint8_t* transport = ip + header;
  const size_t bytes = total - header;
  if (field == 0 || bytes < (protocol == 6 ? 20u : 8u)) return false;
  transport[field] = transport[field + 1] = 0;
  sum += protocol + static_cast<uint32_t>(bytes);
  uint16_t value = checksum_fold(checksum_add(transport, bytes, sum));
  if (value == 0 && protocol == 17) value = 0xffff;
  transport[field] = static_cast<uint8_t>(value >> 8);
  transport[field + 1] = static_cast<uint8_t>(value);
  return true;
}

}  // namespace sluice
