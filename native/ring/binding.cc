#include "addon.h"
#include "napi_util.h"
#include "ring/shared_memory.h"

#include <cstring>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

namespace sluice {
namespace {

// memfdCreate(name, bytes) -> fd
napi_value MemfdCreate(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const int fd = memfd_new(a.string(0).c_str(), static_cast<size_t>(a.f64(1)));
  if (fd < 0) return fail_errno(env, "memfd_create", -fd);
  return integer(env, fd);
}

struct Mapping {
  uint8_t* data;
  size_t bytes;
};

// mapFd(fd, bytes) -> ArrayBuffer over the shared pages; unmapped when it is collected.
napi_value MapFd(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const size_t bytes = static_cast<size_t>(a.f64(1));
  uint8_t* data = nullptr;
  const int r = map_shared(a.i32(0), bytes, &data);
  if (r < 0) return fail_errno(env, "mmap", -r);
  napi_value buffer = nullptr;
  auto mapping = std::make_unique<Mapping>(Mapping{data, bytes});
  const napi_status status = napi_create_external_arraybuffer(
      env, data, bytes,
      [](napi_env, void*, void* hint) {
        std::unique_ptr<Mapping> m(static_cast<Mapping*>(hint));
        munmap(m->data, m->bytes);
      },
      mapping.get(), &buffer);
  if (status != napi_ok) {
    munmap(data, bytes);
    return fail(env, "EEXTERNAL", "this Node does not allow external array buffers");
  }
  mapping.release();
  return buffer;
}

// region(buffer) -> number. The caller keeps the buffer alive for as long as it uses the number.
napi_value RegionOf(napi_env env, napi_callback_info info) {
  Args a(env, info);
  void* data = nullptr;
  size_t length = 0;
  if (a.v[0] == nullptr || napi_get_arraybuffer_info(env, a.v[0], &data, &length) != napi_ok)
    return fail(env, "EINVAL", "region: an ArrayBuffer is needed");
  return integer(env, static_cast<int32_t>(Addon::of(env)->regions.add(static_cast<uint8_t*>(data), length)));
}

napi_value RegionRelease(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon::of(env)->regions.remove(a.u32(0));
  return nullptr;
}

// futexWait(int32array, index, expected, ms)
napi_value FutexWait(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t length = 0;
  int32_t* words = a.array<int32_t>(0, &length);
  const uint32_t index = a.u32(1);
  if (words == nullptr || index >= length) return fail(env, "EINVAL", "futexWait: index outside the array");
  futex_wait(words + index, a.i32(2), a.i32(3));
  return nullptr;
}

// futexWake(int32array, index)
napi_value FutexWake(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t length = 0;
  int32_t* words = a.array<int32_t>(0, &length);
  const uint32_t index = a.u32(1);
  if (words == nullptr || index >= length) return fail(env, "EINVAL", "futexWake: index outside the array");
  futex_wake(words + index, 1);
  return nullptr;
}

// eventfd() -> fd: what a worker signals to wake a capture thread out of poll.
napi_value EventFd(napi_env env, napi_callback_info) {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return fail_errno(env, "eventfd", errno);
  return integer(env, fd);
}

napi_value EventFdSignal(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const uint64_t one = 1;
  // A full counter (EAGAIN) already wakes the reader.
  [[maybe_unused]] const ssize_t r = write(a.i32(0), &one, sizeof one);
  return nullptr;
}

napi_value CloseFd(napi_env env, napi_callback_info info) {
  Args a(env, info);
  close(a.i32(0));
  return nullptr;
}

}  // namespace

void bind_ring(napi_env env, napi_value exports) {
  method(env, exports, "memfdCreate", MemfdCreate);
  method(env, exports, "mapFd", MapFd);
  method(env, exports, "region", RegionOf);
  method(env, exports, "regionRelease", RegionRelease);
  method(env, exports, "futexWait", FutexWait);
  method(env, exports, "futexWake", FutexWake);
  method(env, exports, "eventfd", EventFd);
  method(env, exports, "eventfdSignal", EventFdSignal);
  method(env, exports, "closeFd", CloseFd);
}

}  // namespace sluice
