#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"
#include "af_packet/interface.h"
#include "napi_util.h"

namespace sluice {
namespace {

constexpr size_t kFrameWords = sizeof(Frame) / sizeof(int32_t);
constexpr size_t kTransmitWords = 4;  // region, offset, length, flags (unused)

PacketSocket* socket_of(napi_env env, const Args& a, size_t i) {
  auto& sockets = Addon::of(env)->sockets;
  const uint32_t handle = a.u32(i);
  return handle < sockets.size() ? sockets[handle].get() : nullptr;
}

napi_value get(napi_env env, napi_value object, const char* name) {
  napi_value v = nullptr;
  napi_get_named_property(env, object, name, &v);
  return v;
}
int32_t get_int(napi_env env, napi_value object, const char* name) {
  int32_t x = 0;
  napi_get_value_int32(env, get(env, object, name), &x);
  return x;
}
bool get_bool(napi_env env, napi_value object, const char* name) {
  bool x = false;
  napi_get_value_bool(env, get(env, object, name), &x);
  return x;
}

// packetOpen({interface, vnet, promiscuous, frameSize, frameCount, receiveBuffer, fanoutId, fanoutType, fanoutDefrag})
//   -> {handle, ring: ArrayBuffer, ringRegion, overflow: ArrayBuffer, overflowRegion}
napi_value PacketOpen(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocketOptions o;
  {
    char name[64] = {0};
    size_t n = 0;
    napi_get_value_string_utf8(env, get(env, a.v[0], "interface"), name, sizeof name, &n);
    o.interface = name;
  }
  o.vnet = get_bool(env, a.v[0], "vnet");
  o.promiscuous = get_bool(env, a.v[0], "promiscuous");
  o.frame_size = static_cast<unsigned>(get_int(env, a.v[0], "frameSize"));
  o.frame_count = static_cast<unsigned>(get_int(env, a.v[0], "frameCount"));
  o.receive_buffer = get_int(env, a.v[0], "receiveBuffer");
  o.fanout_id = get_int(env, a.v[0], "fanoutId");
  o.fanout_type = static_cast<unsigned>(get_int(env, a.v[0], "fanoutType"));
  o.fanout_defrag = get_bool(env, a.v[0], "fanoutDefrag");
  if (o.frame_size < 512 || (o.frame_size & (o.frame_size - 1)) != 0 || o.frame_count == 0)
    return fail(env, "EINVAL", "packetOpen: the frame size must be a power of two of at least 512");

  auto socket = std::make_unique<PacketSocket>();
  std::string step;
  const int r = socket->open(o, &step);
  if (r < 0) return fail_errno(env, step, -r);

  Addon* addon = Addon::of(env);
  napi_value result = nullptr, ring = nullptr, overflow = nullptr;
  napi_create_object(env, &result);
  // The socket owns both areas; it lives until packetClose, which the caller does last.
  napi_create_external_arraybuffer(env, socket->ring(), socket->ring_bytes(), nullptr, nullptr, &ring);
  napi_create_external_arraybuffer(env, socket->overflow().data(), socket->overflow().size(), nullptr, nullptr,
                                   &overflow);
  socket->ring_region = addon->regions.add(socket->ring(), socket->ring_bytes());
  socket->overflow_region = addon->regions.add(socket->overflow().data(), socket->overflow().size());
  napi_set_named_property(env, result, "handle", integer(env, static_cast<int32_t>(addon->sockets.size())));
  napi_set_named_property(env, result, "ring", ring);
  napi_set_named_property(env, result, "ringRegion", integer(env, static_cast<int32_t>(socket->ring_region)));
  napi_set_named_property(env, result, "overflow", overflow);
  napi_set_named_property(env, result, "overflowRegion", integer(env, static_cast<int32_t>(socket->overflow_region)));
  addon->sockets.push_back(std::move(socket));
  return result;
}

// packetReceive(sockets: Int32Array, count, frames: Int32Array, max) -> frames received
// Gives the frames of the call before back to the kernel, then takes up to `max` from each socket. One call per
// turn of a loop: at small batches the crossings cost more than the packets.
napi_value PacketReceive(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  size_t handles = 0, words = 0;
  const int32_t* sockets = a.array<int32_t>(0, &handles);
  const size_t count = a.u32(1);
  int32_t* out = a.array<int32_t>(2, &words);
  const size_t room = words / kFrameWords;
  if (count > handles || out == nullptr) return fail(env, "EINVAL", "packetReceive: arrays too short");
  auto* frames = reinterpret_cast<Frame*>(out);
  size_t n = 0;
  for (size_t s = 0; s < count; s++) {
    const auto handle = static_cast<uint32_t>(sockets[s]);
    PacketSocket* socket = handle < addon->sockets.size() ? addon->sockets[handle].get() : nullptr;
    if (socket == nullptr) return fail(env, "EINVAL", "packetReceive: no such socket");
    socket->release();
    const size_t max = std::min<size_t>(a.u32(3), room - n);
    const unsigned got = socket->receive(frames + n, static_cast<unsigned>(max));
    for (unsigned i = 0; i < got; i++, n++) {
      frames[n].region = static_cast<int32_t>(frames[n].region == 0 ? socket->ring_region : socket->overflow_region);
      frames[n].socket = static_cast<int32_t>(s);
    }
  }
  if (n > 0) addon->clock.read();
  return integer(env, static_cast<int32_t>(n));
}

// packetTransmit(handle, frames: Int32Array [region, offset, length, 0] * count, count, result: Int32Array(5)) -> sent
// Adds to result: sent, errors, busy, tooLong, linkDown. A frame outside its region counts as an error.
napi_value PacketTransmit(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocket* socket = socket_of(env, a, 0);
  size_t words = 0, results = 0;
  const int32_t* in = a.array<int32_t>(1, &words);
  int32_t* result = a.array<int32_t>(3, &results);
  const size_t count = a.u32(2);
  if (socket == nullptr || in == nullptr || result == nullptr || results < 5 || count * kTransmitWords > words)
    return fail(env, "EINVAL", "packetTransmit: no such socket or arrays too short");
  const Regions& regions = Addon::of(env)->regions;
  const size_t lead = socket->vnet() ? kVnetHeader : 0;
  TransmitFrame frames[kMaxBatch];
  uint32_t sent = 0;
  for (size_t i = 0; i < count;) {
    unsigned n = 0;
    for (; i < count && n < kMaxBatch; i++) {
      const int32_t* f = in + i * kTransmitWords;
      const size_t offset = static_cast<size_t>(static_cast<uint32_t>(f[1]));
      const size_t length = static_cast<size_t>(static_cast<uint32_t>(f[2]));
      const uint8_t* data =
          offset < lead ? nullptr : regions.at(static_cast<uint32_t>(f[0]), offset - lead, length + lead);
      if (data == nullptr) {
        result[1]++;
        continue;
      }
      frames[n++] = {data, length + lead};
    }
    const TransmitResult r = socket->transmit(frames, n);
    sent += r.sent;
    result[0] += static_cast<int32_t>(r.sent);
    result[1] += static_cast<int32_t>(r.errors);
    result[2] += static_cast<int32_t>(r.busy);
    result[3] += static_cast<int32_t>(r.too_long);
    result[4] += static_cast<int32_t>(r.link_down);
  }
  Addon::of(env)->clock.read();
  return integer(env, static_cast<int32_t>(sent));
}

// packetWait(handles: Int32Array, count, eventfd (-1: none), ms) -> true when something is ready.
// Empties the eventfd.
napi_value PacketWait(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t length = 0;
  const int32_t* handles = a.array<int32_t>(0, &length);
  const size_t count = a.u32(1);
  if (count > length || count > 62) return fail(env, "EINVAL", "packetWait: at most 62 sockets");
  const auto& sockets = Addon::of(env)->sockets;
  pollfd fds[64];
  nfds_t n = 0;
  for (size_t i = 0; i < count; i++) {
    const auto handle = static_cast<uint32_t>(handles[i]);
    if (handle < sockets.size() && sockets[handle]) fds[n++] = {sockets[handle]->fd(), POLLIN, 0};
  }
  const int event = a.i32(2);
  if (event >= 0) fds[n++] = {event, POLLIN, 0};
  const int ready = poll(fds, n, a.i32(3));
  if (ready > 0 && event >= 0 && (fds[n - 1].revents & POLLIN)) {
    uint64_t value;
    [[maybe_unused]] const ssize_t r = read(event, &value, sizeof value);
  }
  // A socket whose interface went down reports POLLERR for ever: read the error so that poll sleeps again.
  for (nfds_t i = 0; ready > 0 && i < n; i++) {
    if (!(fds[i].revents & POLLERR)) continue;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  Addon::of(env)->clock.read();
  napi_value result = nullptr;
  napi_get_boolean(env, ready > 0, &result);
  return result;
}

// packetStatistics(handle, out: Float64Array(2)): packets and drops since the last call
napi_value PacketStatistics(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocket* socket = socket_of(env, a, 0);
  size_t length = 0;
  double* out = a.array<double>(1, &length);
  if (socket == nullptr || out == nullptr || length < 2) return fail(env, "EINVAL", "packetStatistics: no such socket");
  uint32_t packets = 0, drops = 0;
  socket->statistics(&packets, &drops);
  out[0] = packets;
  out[1] = drops;
  return nullptr;
}

// packetDiscard(handle) -> frames thrown away
napi_value PacketDiscard(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocket* socket = socket_of(env, a, 0);
  return integer(env, socket == nullptr ? 0 : static_cast<int32_t>(socket->discard()));
}

// packetCloseIntake(handle): nothing new arrives from now on
napi_value PacketCloseIntake(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocket* socket = socket_of(env, a, 0);
  const int r = socket == nullptr ? -EINVAL : socket->close_intake();
  return r < 0 ? fail_errno(env, "SO_ATTACH_FILTER", -r) : nullptr;
}

// packetClose(handle). The ring and overflow buffers must not be touched afterwards.
napi_value PacketClose(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocket* socket = socket_of(env, a, 0);
  if (socket == nullptr) return nullptr;
  Addon* addon = Addon::of(env);
  addon->regions.remove(socket->ring_region);
  addon->regions.remove(socket->overflow_region);
  addon->sockets[a.u32(0)].reset();
  return nullptr;
}

// copyBatch(jobs: Int32Array [from region, from offset, to region, to offset, length] * count, count) -> jobs refused
napi_value CopyBatch(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t words = 0;
  const int32_t* job = a.array<int32_t>(0, &words);
  const size_t count = a.u32(1);
  if (job == nullptr || count * 5 > words) return fail(env, "EINVAL", "copyBatch: array too short");
  const Regions& regions = Addon::of(env)->regions;
  int32_t refused = 0;
  for (size_t i = 0; i < count; i++, job += 5) {
    const size_t length = static_cast<uint32_t>(job[4]);
    const uint8_t* from = regions.at(static_cast<uint32_t>(job[0]), static_cast<uint32_t>(job[1]), length);
    uint8_t* to = regions.at(static_cast<uint32_t>(job[2]), static_cast<uint32_t>(job[3]), length);
    if (from == nullptr || to == nullptr)
      refused++;
    else
      memcpy(to, from, length);
  }
  return integer(env, refused);
}

// clock() -> ArrayBuffer of two int32: CLOCK_REALTIME seconds and nanoseconds, the clock of packet timestamps, as of
// the last packetReceive that brought something, packetTransmit, packetWait or clockRead of this thread.
napi_value ClockMemory(napi_env env, napi_callback_info) {
  napi_value buffer = nullptr;
  Clock& clock = Addon::of(env)->clock;
  napi_create_external_arraybuffer(env, clock.words, sizeof clock.words, nullptr, nullptr, &buffer);
  return buffer;
}

napi_value ClockRead(napi_env env, napi_callback_info) {
  Addon::of(env)->clock.read();
  return nullptr;
}

// interfaceFacts(name) -> {index, mtu, up, gro, gso, tso, lro, rxChecksum, txChecksum}; throws ENODEV
napi_value InterfaceFactsOf(napi_env env, napi_callback_info info) {
  Args a(env, info);
  InterfaceFacts f;
  const std::string name = a.string(0);
  const int r = interface_facts(name, &f);
  if (r < 0) return fail_errno(env, "interface " + name, -r);
  napi_value o = nullptr;
  napi_create_object(env, &o);
  const auto flag = [&](const char* key, bool value) {
    napi_value v = nullptr;
    napi_get_boolean(env, value, &v);
    napi_set_named_property(env, o, key, v);
  };
  napi_set_named_property(env, o, "index", integer(env, f.index));
  napi_set_named_property(env, o, "mtu", integer(env, f.mtu));
  flag("up", f.up);
  flag("gro", f.gro);
  flag("gso", f.gso);
  flag("tso", f.tso);
  flag("lro", f.lro);
  flag("rxChecksum", f.rx_checksum);
  flag("txChecksum", f.tx_checksum);
  return o;
}

}  // namespace

void bind_af_packet(napi_env env, napi_value exports) {
  method(env, exports, "packetOpen", PacketOpen);
  method(env, exports, "packetReceive", PacketReceive);
  method(env, exports, "packetTransmit", PacketTransmit);
  method(env, exports, "packetWait", PacketWait);
  method(env, exports, "packetStatistics", PacketStatistics);
  method(env, exports, "packetDiscard", PacketDiscard);
  method(env, exports, "packetCloseIntake", PacketCloseIntake);
  method(env, exports, "packetClose", PacketClose);
  method(env, exports, "copyBatch", CopyBatch);
  method(env, exports, "clock", ClockMemory);
  method(env, exports, "clockRead", ClockRead);
  method(env, exports, "interfaceFacts", InterfaceFactsOf);
}

}  // namespace sluice
