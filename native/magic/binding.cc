#include <algorithm>

#include "addon.h"
#include "napi_util.h"

namespace sluice {
namespace {

// magicOpen(library)
napi_value MagicOpen(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const std::string why = Addon::of(env)->magic.open(a.string(0));
  return why.empty() ? nullptr : fail(env, "EMAGIC", "magicOpen: " + why);
}

// magicDescribe(region, offset, length, toRegion, toOffset, room) -> bytes written, -1: no description
napi_value MagicDescribe(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  const uint32_t length = a.u32(2);
  const uint32_t room = a.u32(5);
  const uint8_t* data = addon->regions.at(a.u32(0), a.u32(1), length);
  uint8_t* to = addon->regions.at(a.u32(3), a.u32(4), room);
  if (data == nullptr || to == nullptr) return integer(env, -1);
  const char* text = addon->magic.describe(data, length);
  if (text == nullptr) return integer(env, -1);
  const size_t n = std::min<size_t>(strlen(text), room);
  memcpy(to, text, n);
  return integer(env, static_cast<int32_t>(n));
}

}  // namespace

void bind_magic(napi_env env, napi_value exports) {
  method(env, exports, "magicOpen", MagicOpen);
  method(env, exports, "magicDescribe", MagicDescribe);
}

}  // namespace sluice
