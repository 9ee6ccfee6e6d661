#include "addon.h"
#include "af_packet/interface.h"
#include "af_packet/packet_socket.h"
#include "napi_util.h"

namespace sluice {
namespace {

PacketSocket* socket_of(napi_env env, const Args& a, size_t i) {
  return Addon::of(env)->source_as<PacketSocket>(a.u32(i));
}

constexpr size_t kTransmitWords = 4;  // region, offset, length, flags (unused)

// packetOpen({interface, vnet, promiscuous, frameSize, frameCount, receiveBuffer, fanoutId, fanoutType, fanoutDefrag})
//   -> {handle, ring: ArrayBuffer, ringRegion, overflow: ArrayBuffer, overflowRegion}
napi_value PacketOpen(napi_env env, napi_callback_info info) {
  Args a(env, info);
  PacketSocketOptions o;
  {
    char name[64] = {0};
    size_t n = 0;
    napi_get_value_string_utf8(env, property(env, a.v[0], "interface"), name, sizeof name, &n);
    o.interface = name;
  }
  o.vnet = property_bool(env, a.v[0], "vnet");
  o.promiscuous = property_bool(env, a.v[0], "promiscuous");
  o.frame_size = static_cast<unsigned>(property_int(env, a.v[0], "frameSize"));
  o.frame_count = static_cast<unsigned>(property_int(env, a.v[0], "frameCount"));
  o.receive_buffer = property_int(env, a.v[0], "receiveBuffer");
  o.fanout_id = property_int(env, a.v[0], "fanoutId");
  o.fanout_type = static_cast<unsigned>(property_int(env, a.v[0], "fanoutType"));
  o.fanout_defrag = property_bool(env, a.v[0], "fanoutDefrag");
  if (o.frame_size < 512 || (o.frame_size & (o.frame_size - 1)) != 0 || o.frame_count == 0)
    return fail(env, "EINVAL", "packetOpen: the frame size must be a power of two of at least 512");

  auto socket = std::make_unique<PacketSocket>();
  std::string step;
  const int r = socket->open(o, &step);
  if (r < 0) return fail_errno(env, step, -r);

  Addon* addon = Addon::of(env);
  napi_value result = nullptr, ring = nullptr, overflow = nullptr;
  napi_create_object(env, &result);
  // The socket owns both areas; it lives until sourceClose, which the caller does last.
  napi_create_external_arraybuffer(env, socket->ring(), socket->ring_bytes(), nullptr, nullptr, &ring);
  napi_create_external_arraybuffer(env, socket->overflow().data(), socket->overflow().size(), nullptr, nullptr,
                                   &overflow);
  socket->ring_region = addon->regions.add(socket->ring(), socket->ring_bytes());
  socket->overflow_region = addon->regions.add(socket->overflow().data(), socket->overflow().size());
  socket->regions = {socket->ring_region, socket->overflow_region};
  napi_set_named_property(env, result, "handle", integer(env, static_cast<int32_t>(addon->sources.size())));
  napi_set_named_property(env, result, "ring", ring);
  napi_set_named_property(env, result, "ringRegion", integer(env, static_cast<int32_t>(socket->ring_region)));
  napi_set_named_property(env, result, "overflow", overflow);
  napi_set_named_property(env, result, "overflowRegion", integer(env, static_cast<int32_t>(socket->overflow_region)));
  addon->sources.push_back(std::move(socket));
  return result;
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
  method(env, exports, "packetTransmit", PacketTransmit);
  method(env, exports, "packetStatistics", PacketStatistics);
  method(env, exports, "packetDiscard", PacketDiscard);
  method(env, exports, "interfaceFacts", InterfaceFactsOf);
}

}  // namespace sluice
