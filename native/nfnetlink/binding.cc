#include "addon.h"
#include "napi_util.h"
#include "nfnetlink/log_socket.h"
#include "nfnetlink/queue_socket.h"

namespace sluice {
namespace {

constexpr size_t kVerdictWords = 8;  // VerdictWord in src/capture/frames.ts

// Hands a socket over to the thread's table -> {handle, buffer: ArrayBuffer, region}
napi_value handle_of(napi_env env, std::unique_ptr<SlotSource> socket) {
  Addon* addon = Addon::of(env);
  napi_value result = nullptr, buffer = nullptr;
  napi_create_object(env, &result);
  // The socket owns the buffer; it lives until sourceClose, which the caller does last.
  napi_create_external_arraybuffer(env, socket->buffer(), socket->buffer_bytes(), nullptr, nullptr, &buffer);
  socket->buffer_region = addon->regions.add(socket->buffer(), socket->buffer_bytes());
  socket->regions = {socket->buffer_region};
  napi_set_named_property(env, result, "handle", integer(env, static_cast<int32_t>(addon->sources.size())));
  napi_set_named_property(env, result, "buffer", buffer);
  napi_set_named_property(env, result, "region", integer(env, static_cast<int32_t>(socket->buffer_region)));
  addon->sources.push_back(std::move(socket));
  return result;
}

// queueOpen({queue, queueLength, receiveBuffer, copyRange, gso, failOpen}) -> {handle, buffer, region}
napi_value QueueOpen(napi_env env, napi_callback_info info) {
  Args a(env, info);
  QueueOptions o;
  const int32_t queue = property_int(env, a.v[0], "queue");
  if (queue < 0 || queue > 0xffff) return fail(env, "EINVAL", "queueOpen: a queue is a number from 0 to 65535");
  o.queue = static_cast<uint16_t>(queue);
  o.length = static_cast<uint32_t>(property_int(env, a.v[0], "queueLength"));
  o.receive_buffer = property_int(env, a.v[0], "receiveBuffer");
  o.copy_range = static_cast<uint32_t>(property_int(env, a.v[0], "copyRange"));
  o.gso = property_bool(env, a.v[0], "gso");
  o.fail_open = property_bool(env, a.v[0], "failOpen");
  if (o.copy_range == 0) o.copy_range = 0xffff;  // so the kernel
  auto socket = std::make_unique<QueueSocket>();
  std::string step;
  const int r = socket->open(o, &step);
  return r < 0 ? fail_errno(env, step, -r) : handle_of(env, std::move(socket));
}

// queueVerdict(handle, verdicts: Int32Array, count, result: Int32Array(2))
// Adds to result: messages sent, messages refused. A rewritten packet that is outside its region, or too long for a
// message, is dropped and counts as refused.
napi_value QueueVerdict(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  auto* socket = addon->source_as<QueueSocket>(a.u32(0));
  size_t words = 0, results = 0;
  const int32_t* job = a.array<int32_t>(1, &words);
  const size_t count = a.u32(2);
  int32_t* result = a.array<int32_t>(3, &results);
  if (socket == nullptr || (job == nullptr && count > 0) || result == nullptr || results < 2 ||
      count > words / kVerdictWords)
    return fail(env, "EINVAL", "queueVerdict: no such queue or arrays too short");
  for (size_t i = 0; i < count; i++, job += kVerdictWords) {
    Verdict v{static_cast<uint32_t>(job[0]),
              job[1] != 0,
              static_cast<uint32_t>(job[2]),
              job[4] != 0,
              static_cast<uint32_t>(job[3]),
              nullptr,
              0};
    if (job[7] != 0 && !v.up_to) {
      v.length = static_cast<uint32_t>(job[7]);
      v.payload = v.length > kMaxAttributeValue
                      ? nullptr
                      : addon->regions.at(static_cast<uint32_t>(job[5]), static_cast<uint32_t>(job[6]), v.length);
      if (v.payload == nullptr) {
        v.verdict = 0;  // NF_DROP
        v.length = 0;
        result[1]++;
      }
    }
    socket->put(v);
  }
  socket->flush();
  uint32_t sent, refused;
  socket->take_results(&sent, &refused);
  result[0] += static_cast<int32_t>(sent);
  result[1] += static_cast<int32_t>(refused);
  addon->clock.read();
  return nullptr;
}

// queueStatistics(handle, out: Float64Array(5)): depth, dropped, user dropped, missing, overruns
napi_value QueueStatisticsOf(napi_env env, napi_callback_info info) {
  Args a(env, info);
  auto* socket = Addon::of(env)->source_as<QueueSocket>(a.u32(0));
  size_t length = 0;
  double* out = a.array<double>(1, &length);
  if (socket == nullptr || out == nullptr || length < 5) return fail(env, "EINVAL", "queueStatistics: no such queue");
  const QueueStatistics s = socket->statistics();
  out[0] = static_cast<double>(s.depth);
  out[1] = static_cast<double>(s.dropped);
  out[2] = static_cast<double>(s.user_dropped);
  out[3] = static_cast<double>(s.missing);
  out[4] = static_cast<double>(s.overruns);
  return nullptr;
}

// logOpen({group, receiveBuffer, qthreshold, qtimeout, maxSize}) -> {handle, buffer, region}
napi_value LogOpen(napi_env env, napi_callback_info info) {
  Args a(env, info);
  LogOptions o;
  const int32_t group = property_int(env, a.v[0], "group");
  if (group < 0 || group > 0xffff) return fail(env, "EINVAL", "logOpen: a group is a number from 0 to 65535");
  o.group = static_cast<uint16_t>(group);
  o.receive_buffer = property_int(env, a.v[0], "receiveBuffer");
  o.threshold = static_cast<uint32_t>(property_int(env, a.v[0], "qthreshold"));
  o.timeout = static_cast<uint32_t>(property_int(env, a.v[0], "qtimeout"));
  o.max_size = static_cast<uint32_t>(property_int(env, a.v[0], "maxSize"));
  auto socket = std::make_unique<LogSocket>();
  std::string step;
  const int r = socket->open(o, &step);
  return r < 0 ? fail_errno(env, step, -r) : handle_of(env, std::move(socket));
}

// logStatistics(handle, out: Float64Array(2)): missing packets, overruns
napi_value LogStatistics(napi_env env, napi_callback_info info) {
  Args a(env, info);
  auto* socket = Addon::of(env)->source_as<LogSocket>(a.u32(0));
  size_t length = 0;
  double* out = a.array<double>(1, &length);
  if (socket == nullptr || out == nullptr || length < 2) return fail(env, "EINVAL", "logStatistics: no such group");
  out[0] = static_cast<double>(socket->missing());
  out[1] = static_cast<double>(socket->overruns());
  return nullptr;
}

napi_value RawOpen(napi_env env, napi_callback_info) {
  std::string step;
  const int r = Addon::of(env)->raw.open(&step);
  return r < 0 ? fail_errno(env, step, -r) : nullptr;
}

// rawSend(region, offset, length, interface) and linkSend(...) -> 0 or an errno
template <int (RawSender::*Send)(const uint8_t*, size_t, uint32_t)>
napi_value SendBytes(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  const uint8_t* data = addon->regions.at(a.u32(0), a.u32(1), a.u32(2));
  return integer(env, data == nullptr ? EINVAL : (addon->raw.*Send)(data, a.u32(2), a.u32(3)));
}

// queueParse and logParse(region, offset, length, frames: Int32Array) -> frames: what a socket of that kind makes of
// one datagram, for tests. Link headers are put back in place.
template <bool (*Parse)(const uint8_t*, size_t, PacketFields*), uint8_t Subsystem, bool NeedsNumber>
napi_value ParseDatagram(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const Regions& regions = Addon::of(env)->regions;
  uint8_t* base = regions.at(a.u32(0), 0, 0);
  uint8_t* datagram = regions.at(a.u32(0), a.u32(1), a.u32(2));
  size_t words = 0;
  auto* frames = reinterpret_cast<Frame*>(a.array<int32_t>(3, &words));
  if (datagram == nullptr || frames == nullptr) return fail(env, "EINVAL", "parse: no such region or array too short");
  const size_t room = words * sizeof(int32_t) / sizeof(Frame);
  size_t n = 0, at = 0;
  Message message;
  while (n < room && next_message(datagram, a.u32(2), &at, &message)) {
    PacketFields packet;
    // Type 0 of both subsystems is the packet.
    if (message.type != Subsystem << 8 || !Parse(datagram + message.at, message.length, &packet)) continue;
    if (NeedsNumber && !packet.has_number) continue;
    Frame& f = frames[n++];
    frame_of(packet, base, datagram + message.at, &f);
    f.region = static_cast<int32_t>(a.u32(0));
    f.seconds = static_cast<int32_t>(packet.seconds);
    f.nanoseconds = static_cast<int32_t>(packet.nanoseconds);
    f.socket = 0;
  }
  return integer(env, static_cast<int32_t>(n));
}

}  // namespace

void bind_nfnetlink(napi_env env, napi_value exports) {
  method(env, exports, "queueOpen", QueueOpen);
  method(env, exports, "queueVerdict", QueueVerdict);
  method(env, exports, "queueStatistics", QueueStatisticsOf);
  method(env, exports, "queueParse", ParseDatagram<parse_queue_packet, NFNL_SUBSYS_QUEUE, true>);
  method(env, exports, "logOpen", LogOpen);
  method(env, exports, "logStatistics", LogStatistics);
  method(env, exports, "logParse", ParseDatagram<parse_log_packet, NFNL_SUBSYS_ULOG, false>);
  method(env, exports, "rawOpen", RawOpen);
  method(env, exports, "rawSend", SendBytes<&RawSender::send_ip>);
  method(env, exports, "linkSend", SendBytes<&RawSender::send_link>);
}

}  // namespace sluice
