#include "nfnetlink/message.h"

#include <algorithm>

namespace sluice {

bool next_message(const uint8_t* datagram, size_t length, size_t* at, Message* message) {
  if (*at > length || length - *at < kNetlinkHeader) return false;
  const auto header = load<nlmsghdr>(datagram + *at);
  if (header.nlmsg_len < kNetlinkHeader) return false;
  const size_t left = length - *at;
  *message = {header.nlmsg_type, header.nlmsg_seq, *at, std::min<size_t>(header.nlmsg_len, left)};
  *at += std::min<size_t>((static_cast<size_t>(header.nlmsg_len) + 3) & ~size_t{3}, left);
  return true;
}

int error_of(const uint8_t* datagram, const Message& message) {
  if (message.type != NLMSG_ERROR || message.length < kNetlinkHeader + sizeof(int32_t)) return -1;
  const auto error = load<int32_t>(datagram + message.at + kNetlinkHeader);
  return error > -4096 && error <= 0 ? -error : -1;
}

bool Attributes::next(Attribute* attribute) {
  if (left_ < kAttributeHeader) return false;
  const auto header = load<nlattr>(next_);
  if (header.nla_len < kAttributeHeader) return false;
  attribute->type = header.nla_type & NLA_TYPE_MASK;
  attribute->data = next_ + kAttributeHeader;
  attribute->cut = header.nla_len > left_;
  attribute->length = std::min<size_t>(header.nla_len, left_) - kAttributeHeader;
  const size_t step = std::min<size_t>((static_cast<size_t>(header.nla_len) + 3) & ~size_t{3}, left_);
  next_ += step;
  left_ -= step;
  return true;
}

void MessageWriter::begin(uint8_t subsystem, uint8_t type, uint16_t flags, uint16_t resource, uint32_t sequence) {
  message_ = bytes_.size();
  bytes_.resize(message_ + kNetlinkHeader + kGenericHeader);
  nlmsghdr header{};
  header.nlmsg_type = static_cast<uint16_t>(subsystem << 8 | type);
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = sequence;
  const nfgenmsg generic{0, NFNETLINK_V0, __builtin_bswap16(resource)};
  memcpy(bytes_.data() + message_, &header, sizeof header);
  memcpy(bytes_.data() + message_ + kNetlinkHeader, &generic, sizeof generic);
}

void MessageWriter::put(uint16_t type, const void* value, size_t length) {
  const size_t at = bytes_.size();
  bytes_.resize(at + ((kAttributeHeader + length + 3) & ~size_t{3}));
  const nlattr header{static_cast<uint16_t>(kAttributeHeader + length), type};
  memcpy(bytes_.data() + at, &header, sizeof header);
  memcpy(bytes_.data() + at + kAttributeHeader, value, length);
}

void MessageWriter::end() {
  const auto length = static_cast<uint32_t>(bytes_.size() - message_);
  memcpy(bytes_.data() + message_, &length, sizeof length);
}

}  // namespace sluice
