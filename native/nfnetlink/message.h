// Netlink's format (RFC 3549, netlink(7)): reading and writing over plain bytes. Nothing here trusts a length or an
// alignment.
//
//   | length u32 | type u16 | flags u16 | sequence u32 | port u32 | family u8 | version u8 | resource be16 | attributes
//   0            4          6           8              12         16          17           18              20
//   attribute: | length u16, with these 4 bytes | type u16 | value, padded to 4 | ...   all in host order but as marked
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sluice {

constexpr size_t kNetlinkHeader = sizeof(nlmsghdr);
constexpr size_t kGenericHeader = sizeof(nfgenmsg);
constexpr size_t kAttributeHeader = sizeof(nlattr);
constexpr size_t kMaxAttributeValue = 0xffff - kAttributeHeader;

template <typename T>
T load(const uint8_t* from) {
  T value;
  memcpy(&value, from, sizeof value);
  return value;
}
inline uint16_t load_be16(const uint8_t* from) { return __builtin_bswap16(load<uint16_t>(from)); }
inline uint32_t load_be32(const uint8_t* from) { return __builtin_bswap32(load<uint32_t>(from)); }
inline uint64_t load_be64(const uint8_t* from) { return __builtin_bswap64(load<uint64_t>(from)); }
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

struct Message {
  uint16_t type;
  uint32_t sequence;
  size_t at;      // of its header in the datagram
  size_t length;  // header included, as much of it as there is
};

// Takes the next message of a datagram from `*at` on. One that claims more than there is ends with the datagram.
// False at the end, and on what cannot be a message.
bool next_message(const uint8_t* datagram, size_t length, size_t* at, Message* message);
// The errno (positive; 0: acknowledged) of an NLMSG_ERROR, or -1 for any other message.
int error_of(const uint8_t* datagram, const Message& message);

struct Attribute {
  uint16_t type = 0;  // without NLA_F_*
  bool cut = false;   // claims more than there is
  const uint8_t* data = nullptr;
  size_t length = 0;  // of the value, as much of it as there is
};

class Attributes {
 public:
  Attributes(const uint8_t* data, size_t length) : next_(data), left_(length) {}
  // False at the end, and on what cannot be an attribute.
  bool next(Attribute* attribute);

 private:
  const uint8_t* next_;
  size_t left_;
};

// Appends netfilter messages to one buffer: begin, put ..., end.
class MessageWriter {
 public:
  explicit MessageWriter(size_t reserve) { bytes_.reserve(reserve); }

  void begin(uint8_t subsystem, uint8_t type, uint16_t flags, uint16_t resource, uint32_t sequence = 0);
  void put(uint16_t type, const void* value, size_t length);
  void put_be32(uint16_t type, uint32_t value) {
    value = __builtin_bswap32(value);
    put(type, &value, sizeof value);
  }
  void end();

  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  void clear() { bytes_.clear(); }

 private:
  std::vector<uint8_t> bytes_;
  size_t message_ = 0;
};

}  // namespace sluice
