#include "af_packet/packet_socket.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <linux/filter.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

#include "af_packet/checksum.h"

namespace sluice {
namespace {

constexpr unsigned kBlockBytes = 1 << 17;
constexpr unsigned kReserve = 16;  // room ahead of the frame to put a VLAN tag back
constexpr int kBusyWaits = 20;     // times a full transmit queue is waited for in one call
constexpr long kBusyNapNs = 100000;

template <typename T>
int set(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}

// Puts the tag back between the addresses and the type: everything before the type moves 4 bytes forward.
// The checksum start of the vnet header counts from the frame's first byte, so it moves too.
uint8_t* insert_vlan(uint8_t* frame, uint16_t tpid, uint16_t tci, bool vnet) {
  const size_t lead = vnet ? kVnetHeader : 0;
  memmove(frame - lead - 4, frame - lead, lead + 12);
  frame -= 4;
  frame[12] = static_cast<uint8_t>(tpid >> 8);
  frame[13] = static_cast<uint8_t>(tpid);
  frame[14] = static_cast<uint8_t>(tci >> 8);
  frame[15] = static_cast<uint8_t>(tci);
  if (vnet) {
    VnetHeader header;
    memcpy(&header, frame - lead, lead);
    if (header.flags & kVnetNeedsCsum) header.csum_start = static_cast<uint16_t>(header.csum_start + 4);
    if (header.gso_type != kVnetGsoNone && header.hdr_len != 0)
      header.hdr_len = static_cast<uint16_t>(header.hdr_len + 4);
    memcpy(frame - lead, &header, lead);
  }
  return frame;
}

int32_t checksum_flags(uint32_t status) {
  return (status & TP_STATUS_CSUMNOTREADY) ? kFrameCsumNotReady : (status & TP_STATUS_CSUM_VALID) ? kFrameCsumValid : 0;
}

}  // namespace

PacketSocket::~PacketSocket() {
  if (ring_ != nullptr) munmap(ring_, ring_bytes_);
  if (fd_ >= 0) close(fd_);
}

int PacketSocket::open(const PacketSocketOptions& o, std::string* step) {
  const auto failed = [&](const char* what) {
    *step = what;
    return -errno;
  };
  // Protocol 0: nothing is received before the ring stands and the socket is bound.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return failed("socket(AF_PACKET)");
  const int one = 1;
  if (set(fd_, SOL_PACKET, PACKET_VERSION, static_cast<int>(TPACKET_V2)) != 0) return failed("PACKET_VERSION");
  vnet_ = o.vnet;
  if (vnet_ && set(fd_, SOL_PACKET, PACKET_VNET_HDR, one) != 0) return failed("PACKET_VNET_HDR");
  if (set(fd_, SOL_PACKET, PACKET_RESERVE, kReserve) != 0) return failed("PACKET_RESERVE");
  if (set(fd_, SOL_PACKET, PACKET_COPY_THRESH, one) != 0) return failed("PACKET_COPY_THRESH");
  if (set(fd_, SOL_PACKET, PACKET_AUXDATA, one) != 0) return failed("PACKET_AUXDATA");
  if (set(fd_, SOL_SOCKET, SO_RCVBUFFORCE, o.receive_buffer) != 0 &&
      set(fd_, SOL_SOCKET, SO_RCVBUF, o.receive_buffer) != 0)
    return failed("SO_RCVBUF");
  set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20);
  // A hint to batch less politely; absence is no fault.
  set(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, one);
  if (set(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, one) != 0) return failed("PACKET_IGNORE_OUTGOING");

  frame_size_ = o.frame_size;
  const unsigned block = frame_size_ > kBlockBytes ? frame_size_ : kBlockBytes;
  const unsigned per_block = block / frame_size_;
  tpacket_req request{};
  request.tp_block_size = block;
  request.tp_block_nr = (o.frame_count + per_block - 1) / per_block;
  request.tp_frame_size = frame_size_;
  frame_count_ = request.tp_frame_nr = request.tp_block_nr * per_block;
  if (set(fd_, SOL_PACKET, PACKET_RX_RING, request) != 0) return failed("PACKET_RX_RING");
  ring_bytes_ = static_cast<size_t>(request.tp_block_size) * request.tp_block_nr;
  void* map = mmap(nullptr, ring_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, 0);
  if (map == MAP_FAILED) return failed("mmap of the receive ring");
  ring_ = static_cast<uint8_t*>(map);

  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(o.interface.c_str()));
  if (address.sll_ifindex == 0) return failed("if_nametoindex");
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return failed("bind");
  if (o.promiscuous) {
    packet_mreq membership{};
    membership.mr_ifindex = address.sll_ifindex;
    membership.mr_type = PACKET_MR_PROMISC;
    if (set(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership) != 0) return failed("PACKET_ADD_MEMBERSHIP");
  }
  if (o.fanout_id >= 0) {
    const unsigned type = o.fanout_type | (o.fanout_defrag ? PACKET_FANOUT_FLAG_DEFRAG : 0);
    const uint32_t fanout = (static_cast<uint32_t>(o.fanout_id) & 0xffff) | type << 16;
    if (set(fd_, SOL_PACKET, PACKET_FANOUT, fanout) != 0) return failed("PACKET_FANOUT");
  }
  overflow_.resize(kOverflowSlots * kOverflowSlot);
  messages_.resize(kMaxBatch);
  vectors_.resize(kMaxBatch);
  for (unsigned i = 0; i < kMaxBatch; i++) {
    messages_[i] = {};
    messages_[i].msg_hdr.msg_iov = &vectors_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
  return 0;
}

unsigned PacketSocket::receive(Frame* frames, unsigned max) {
  unsigned n = 0;
  while (n < max && unreleased_ < frame_count_) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + static_cast<size_t>(next_) * frame_size_);
    const uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    if (!(status & TP_STATUS_USER)) break;
    if ((status & TP_STATUS_COPY) && overflow_used_ == kOverflowSlots) break;
    next_ = next_ + 1 == frame_count_ ? 0 : next_ + 1;
    unreleased_++;
    Frame& f = frames[n++];
    f = {};
    f.link = kLinkEthernet;
    f.region = static_cast<int32_t>(ring_region);
    f.seconds = static_cast<int32_t>(header->tp_sec);
    f.nanoseconds = static_cast<int32_t>(header->tp_nsec);
    f.wire = static_cast<int32_t>(header->tp_len);
    f.captured = static_cast<int32_t>(header->tp_snaplen);
    f.flags = checksum_flags(status);
    if (status & TP_STATUS_COPY) {
      if (fetch_overflow(&f)) continue;
      f.flags |= kFrameTruncated;
    } else if (f.captured < f.wire) {
      f.flags |= kFrameTruncated;
    }
    uint8_t* frame = reinterpret_cast<uint8_t*>(header) + header->tp_mac;
    if ((status & TP_STATUS_VLAN_VALID) && f.captured >= 12) {
      const uint16_t tpid = (status & TP_STATUS_VLAN_TPID_VALID) ? header->tp_vlan_tpid : ETH_P_8021Q;
      frame = insert_vlan(frame, tpid, header->tp_vlan_tci, vnet_);
      f.captured += 4;
      f.wire += 4;
    }
    f.offset = static_cast<int32_t>(frame - ring_);
    if (!vnet_ && (f.flags & kFrameCsumNotReady) && checksum_complete(frame, static_cast<size_t>(f.captured)))
      f.flags &= ~kFrameCsumNotReady;
  }
  return n;
}

// Reads the whole frame that the ring holds only the head of.
bool PacketSocket::fetch_overflow(Frame* f) {
  uint8_t* slot = overflow_.data() + static_cast<size_t>(overflow_used_) * kOverflowSlot;
  uint8_t* frame = slot + kOverflowLead;
  const size_t lead = vnet_ ? kVnetHeader : 0;
  iovec vector{frame - lead, kOverflowFrame + lead};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = recvmsg(fd_, &message, MSG_DONTWAIT);
  // A pending error of the interface (ENETDOWN) is handed out once, before the frame.
  if (got < 0 && errno != EAGAIN) got = recvmsg(fd_, &message, MSG_DONTWAIT);
  if (got < static_cast<ssize_t>(lead + 14) || (message.msg_flags & MSG_TRUNC)) return false;
  overflow_used_++;
  f->region = static_cast<int32_t>(overflow_region);
  f->captured = f->wire = static_cast<int32_t>(static_cast<size_t>(got) - lead);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    f->flags |= checksum_flags(aux.tp_status);
    if (aux.tp_status & TP_STATUS_VLAN_VALID) {
      const uint16_t tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) ? aux.tp_vlan_tpid : ETH_P_8021Q;
      frame = insert_vlan(frame, tpid, aux.tp_vlan_tci, vnet_);
      f->captured += 4;
      f->wire += 4;
    }
  }
  f->offset = static_cast<int32_t>(frame - overflow_.data());
  if (!vnet_ && (f->flags & kFrameCsumNotReady) && checksum_complete(frame, static_cast<size_t>(f->captured)))
    f->flags &= ~kFrameCsumNotReady;
  return true;
}

void PacketSocket::release() {
  unsigned at = next_ >= unreleased_ ? next_ - unreleased_ : next_ + frame_count_ - unreleased_;
  for (; unreleased_ > 0; unreleased_--) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + static_cast<size_t>(at) * frame_size_);
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    at = at + 1 == frame_count_ ? 0 : at + 1;
  }
  overflow_used_ = 0;
}

TransmitResult PacketSocket::transmit(const TransmitFrame* frames, unsigned count) {
  TransmitResult result;
  unsigned done = 0;
  int waits = 0;
  for (unsigned i = 0; i < count; i++) {
    vectors_[i].iov_base = const_cast<uint8_t*>(frames[i].data);
    vectors_[i].iov_len = frames[i].length;
  }
  while (done < count) {
    const int r = sendmmsg(fd_, messages_.data() + done, count - done, MSG_DONTWAIT);
    if (r > 0) {
      done += static_cast<unsigned>(r);
      result.sent += static_cast<uint32_t>(r);
      continue;
    }
    switch (errno) {
      case EINTR:
        continue;
      case ENOBUFS:
      case EAGAIN: {
        if (waits++ < kBusyWaits) {
          // Past the queueing discipline POLLOUT says nothing: only time helps.
          const timespec nap{0, kBusyNapNs};
          nanosleep(&nap, nullptr);
          continue;
        }
        result.busy++;
        break;
      }
      case EMSGSIZE:
        result.too_long++;
        break;
      case ENETDOWN:
      case ENXIO:
        result.link_down++;
        break;
      default:
        result.errors++;
    }
    done++;  // this frame is lost, and counted; the rest goes on
  }
  return result;
}

int PacketSocket::close_intake(std::string* step) {
  sock_filter reject_all[] = {{BPF_RET | BPF_K, 0, 0, 0}};
  const sock_fprog program{1, reject_all};
  if (set(fd_, SOL_SOCKET, SO_ATTACH_FILTER, program) == 0) return 0;
  *step = "SO_ATTACH_FILTER";
  return -errno;
}

unsigned PacketSocket::discard() {
  unsigned total = 0;
  Frame frames[64];
  for (unsigned n; (n = receive(frames, 64)) > 0; total += n) release();
  return total;
}

void PacketSocket::statistics(uint32_t* packets, uint32_t* drops) const {
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  *packets = *drops = 0;
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) return;
  *packets = stats.tp_packets;
  *drops = stats.tp_drops;
}

}  // namespace sluice
