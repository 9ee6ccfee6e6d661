// What every capture socket is to the loop that reads it: a descriptor to wait for, and batches of frames.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

// One received frame, as the TypeScript side reads it (int32 each; mirrored in src/capture/frames.ts).
struct Frame {
  int32_t region;
  int32_t offset;
  int32_t captured;
  int32_t wire;
  int32_t flags;
  int32_t seconds;
  int32_t nanoseconds;
  int32_t socket;  // which of the sockets of the call; the binding fills it in
  int32_t link;    // Link, or kLinkOther | EtherType
  int32_t packet_id;
  int32_t mark;
  int32_t in_device;
  int32_t out_device;
  int32_t lead;  // bytes of the link header that were put before the payload
  int32_t reserved[2];
};
static_assert(sizeof(Frame) == 64);

enum FrameFlag : int32_t {
  kFrameCsumNotReady = 1,  // the sender left the checksum to hardware
  kFrameTruncated = 2,     // longer than what could be had of it
  kFrameCsumValid = 4,     // the interface or the kernel has verified the transport checksum
};
// LINKTYPE_* of pcap.
enum Link : int32_t {
  kLinkEthernet = 1,
  kLinkRawIp = 101,
  kLinkOther = 0x10000,
};

constexpr unsigned kMaxBatch = 256;

class FrameSource {
 public:
  enum class Kind { packet, queue, log };

  explicit FrameSource(Kind kind) : kind_(kind) {}
  virtual ~FrameSource() = default;
  FrameSource(const FrameSource&) = delete;
  FrameSource& operator=(const FrameSource&) = delete;

  Kind kind() const { return kind_; }
  virtual int fd() const = 0;
  // Fills up to `max` frames, all words but `socket`; they stay valid until release().
  virtual unsigned receive(Frame* frames, unsigned max) = 0;
  // Ends the use of the frames of all receive() calls since the last release.
  virtual void release() = 0;
  // Frames are at hand that the descriptor no longer announces.
  virtual bool pending() const { return false; }
  // From now on nothing new arrives. 0, or -errno with the failing step.
  virtual int close_intake(std::string* step) = 0;

  // The numbers of this source's memory, to be given back when it is closed.
  std::vector<uint32_t> regions;

 private:
  const Kind kind_;
};

}  // namespace sluice
