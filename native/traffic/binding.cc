#include "traffic/traffic.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "napi_util.h"

namespace sluice {
namespace {

void set(napi_env env, napi_value object, const char* name, double value) {
  napi_set_named_property(env, object, name, number(env, value));
}

napi_value floor_result(napi_env env, const FloorResult& f) {
  napi_value o = nullptr;
  napi_create_object(env, &o);
  set(env, o, "frames", static_cast<double>(f.frames));
  set(env, o, "bytes", static_cast<double>(f.bytes));
  set(env, o, "batches", static_cast<double>(f.batches));
  set(env, o, "errors", static_cast<double>(f.errors));
  set(env, o, "kernelDrops", static_cast<double>(f.kernel_drops));
  set(env, o, "cpuSeconds", f.cpu_seconds);
  return o;
}

// trafficFloor(a, b, seconds, vnet, batch) -> {frames, bytes, batches, errors, kernelDrops, cpuSeconds}
napi_value Floor(napi_env env, napi_callback_info info) {
  Args a(env, info);
  FloorResult f;
  std::string step;
  const int r = floor_forward(a.string(0), a.string(1), a.f64(2), a.boolean(3), a.u32(4), &f, &step);
  return r < 0 ? fail_errno(env, step, -r) : floor_result(env, f);
}

// trafficQueueFloor(queue, seconds, batch, gso) -> as trafficFloor
napi_value QueueFloor(napi_env env, napi_callback_info info) {
  Args a(env, info);
  FloorResult f;
  std::string step;
  const int r = floor_queue(static_cast<uint16_t>(a.u32(0)), a.f64(1), a.u32(2), a.boolean(3), &f, &step);
  return r < 0 ? fail_errno(env, step, -r) : floor_result(env, f);
}

// trafficGenerate(interface, frameLength, seconds, flows, pps, destinationIp, destinationMac) -> frames sent
napi_value Generate(napi_env env, napi_callback_info info) {
  Args a(env, info);
  GeneratorOptions o;
  o.interface = a.string(0);
  o.length = a.u32(1);
  o.seconds = a.f64(2);
  o.flows = a.u32(3);
  o.pps = a.f64(4);
  inet_pton(AF_INET, a.string(5).c_str(), &o.destination);
  unsigned mac[6];
  if (sscanf(a.string(6).c_str(), "%x:%x:%x:%x:%x:%x", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) == 6)
    for (int i = 0; i < 6; i++) o.mac[i] = static_cast<uint8_t>(mac[i]);
  uint64_t sent = 0;
  std::string step;
  const int r = generate(o, &sent, &step);
  return r < 0 ? fail_errno(env, step, -r) : number(env, static_cast<double>(sent));
}

// trafficProbeSend(address, port, pps, seconds, payload) -> datagrams sent
napi_value ProbeSend(napi_env env, napi_callback_info info) {
  Args a(env, info);
  uint64_t sent = 0;
  const int r = probe_send(a.string(0), static_cast<uint16_t>(a.u32(1)), a.f64(2), a.f64(3), a.u32(4), &sent);
  return r < 0 ? fail_errno(env, "probe", -r) : number(env, static_cast<double>(sent));
}

// trafficProbeReceive(port, seconds, idle, out: Float64Array) -> latencies written (nanoseconds)
napi_value ProbeReceive(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t room = 0;
  double* out = a.array<double>(3, &room);
  if (out == nullptr) return fail(env, "EINVAL", "trafficProbeReceive: Float64Array needed");
  std::vector<double> latencies;
  latencies.reserve(room);
  const int r = probe_receive(static_cast<uint16_t>(a.u32(0)), a.f64(1), a.f64(2), &latencies);
  if (r < 0) return fail_errno(env, "probe", -r);
  const size_t n = latencies.size() < room ? latencies.size() : room;
  std::copy_n(latencies.begin(), n, out);
  return number(env, static_cast<double>(n));
}

}  // namespace

void bind_traffic(napi_env env, napi_value exports) {
  method(env, exports, "trafficFloor", Floor);
  method(env, exports, "trafficQueueFloor", QueueFloor);
  method(env, exports, "trafficGenerate", Generate);
  method(env, exports, "trafficProbeSend", ProbeSend);
  method(env, exports, "trafficProbeReceive", ProbeReceive);
}

}  // namespace sluice
