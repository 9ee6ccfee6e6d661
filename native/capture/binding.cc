// What a capture loop does with sockets of every kind: receive, wait, close; and the copies into the packet rings.
#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addon.h"
#include "napi_util.h"

namespace sluice {
namespace {

constexpr size_t kFrameWords = sizeof(Frame) / sizeof(int32_t);

// sourceReceive(sockets: Int32Array, count, frames: Int32Array, max) -> frames received
// Gives the frames of the call before back to the kernel, then takes up to `max` from each socket. One call per
// turn of a loop: at small batches the crossings cost more than the packets.
napi_value SourceReceive(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  size_t handles = 0, words = 0;
  const int32_t* sockets = a.array<int32_t>(0, &handles);
  const size_t count = a.u32(1);
  int32_t* out = a.array<int32_t>(2, &words);
  const size_t room = words / kFrameWords;
  if (count > handles || out == nullptr) return fail(env, "EINVAL", "sourceReceive: arrays too short");
  auto* frames = reinterpret_cast<Frame*>(out);
  size_t n = 0;
  for (size_t s = 0; s < count; s++) {
    FrameSource* source = addon->source(static_cast<uint32_t>(sockets[s]));
    if (source == nullptr) return fail(env, "EINVAL", "sourceReceive: no such socket");
    source->release();
    const size_t max = std::min<size_t>(a.u32(3), room - n);
    const unsigned got = source->receive(frames + n, static_cast<unsigned>(max));
    for (unsigned i = 0; i < got; i++, n++) frames[n].socket = static_cast<int32_t>(s);
  }
  if (n > 0) addon->clock.read();
  return integer(env, static_cast<int32_t>(n));
}

// sourceWait(handles: Int32Array, count, eventfd (-1: none), ms) -> true when something is ready.
// Empties the eventfd.
napi_value SourceWait(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  size_t length = 0;
  const int32_t* handles = a.array<int32_t>(0, &length);
  const size_t count = a.u32(1);
  if (count > length || count > 62) return fail(env, "EINVAL", "sourceWait: at most 62 sockets");
  pollfd fds[64];
  FrameSource* sources[64];
  nfds_t n = 0;
  bool pending = false;
  for (size_t i = 0; i < count; i++) {
    FrameSource* source = addon->source(static_cast<uint32_t>(handles[i]));
    if (source == nullptr) continue;
    pending = pending || source->pending();
    sources[n] = source;
    fds[n++] = {source->fd(), POLLIN, 0};
  }
  const nfds_t watched = n;
  const int event = a.i32(2);
  if (event >= 0) fds[n++] = {event, POLLIN, 0};
  const int ready = poll(fds, n, pending ? 0 : a.i32(3));
  if (ready > 0 && event >= 0 && (fds[n - 1].revents & POLLIN)) {
    uint64_t value;
    [[maybe_unused]] const ssize_t r = read(event, &value, sizeof value);
  }
  // A packet socket whose interface went down reports POLLERR for ever: read the error so that poll sleeps again.
  // Netlink's errors are for receive() to count.
  for (nfds_t i = 0; ready > 0 && i < watched; i++) {
    if (!(fds[i].revents & POLLERR) || sources[i]->kind() != FrameSource::Kind::packet) continue;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  addon->clock.read();
  napi_value result = nullptr;
  napi_get_boolean(env, ready > 0 || pending, &result);
  return result;
}

// sourceCloseIntake(handle): nothing new arrives from now on
napi_value SourceCloseIntake(napi_env env, napi_callback_info info) {
  Args a(env, info);
  FrameSource* source = Addon::of(env)->source(a.u32(0));
  if (source == nullptr) return fail(env, "EINVAL", "sourceCloseIntake: no such socket");
  std::string step;
  const int r = source->close_intake(&step);
  return r < 0 ? fail_errno(env, step, -r) : nullptr;
}

// sourceClose(handle). Its buffers must not be touched afterwards.
napi_value SourceClose(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  FrameSource* source = addon->source(a.u32(0));
  if (source == nullptr) return nullptr;
  for (const uint32_t region : source->regions) addon->regions.remove(region);
  addon->sources[a.u32(0)].reset();
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
// the last sourceReceive that brought something, packetTransmit, queueVerdict,
// sourceWait or clockRead of this thread.
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

}  // namespace

void bind_capture(napi_env env, napi_value exports) {
  method(env, exports, "sourceReceive", SourceReceive);
  method(env, exports, "sourceWait", SourceWait);
  method(env, exports, "sourceCloseIntake", SourceCloseIntake);
  method(env, exports, "sourceClose", SourceClose);
  method(env, exports, "copyBatch", CopyBatch);
  method(env, exports, "clock", ClockMemory);
  method(env, exports, "clockRead", ClockRead);
}

}  // namespace sluice
