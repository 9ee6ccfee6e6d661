#include "addon.h"
#include "napi_util.h"

#include <cstring>

namespace sluice {
namespace {

// matchCompile(patterns: Uint8Array[], nocase: Uint8Array, ids: Uint32Array) -> handle
napi_value MatchCompile(napi_env env, napi_callback_info info) {
  Args a(env, info);
  uint32_t count = 0;
  size_t nocase_length = 0;
  size_t ids_length = 0;
  const uint8_t* nocase = a.array<uint8_t>(1, &nocase_length);
  const uint32_t* ids = a.array<uint32_t>(2, &ids_length);
  if (a.v[0] == nullptr || napi_get_array_length(env, a.v[0], &count) != napi_ok || nocase_length < count ||
      ids_length < count)
    return fail(env, "EINVAL", "matchCompile: an array of patterns, and as many nocase flags and ids, are needed");

  std::vector<Literal> literals(count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    napi_typedarray_type type = napi_int8_array;
    void* data = nullptr;
    if (napi_get_element(env, a.v[0], i, &element) != napi_ok ||
        napi_get_typedarray_info(env, element, &type, &literals[i].length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array)
      return fail(env, "EINVAL", "matchCompile: pattern " + std::to_string(i) + " is not a Uint8Array");
    literals[i].data = static_cast<const uint8_t*>(data);
    literals[i].nocase = nocase[i] != 0;
    literals[i].id = ids[i];
  }
  const MatcherHandle result = Addon::of(env)->matcher.compile(literals);
  if (result.handle < 0) return fail(env, "EMATCHER", "matchCompile: " + result.error);
  return integer(env, result.handle);
}

// matchScan(database, region, offset, length, out: Uint32Array) -> ids found, -1 = treat as all.
// `out` is resolved only when something was found: most packets match nothing.
napi_value MatchScan(napi_env env, napi_callback_info info) {
  napi_value v[5] = {};
  size_t argc = 5;
  void* unused = nullptr;
  napi_get_cb_info(env, info, &argc, v, nullptr, &unused);
  uint32_t database = 0;
  uint32_t region = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
  if (argc < 5 || napi_get_value_uint32(env, v[0], &database) != napi_ok ||
      napi_get_value_uint32(env, v[1], &region) != napi_ok || napi_get_value_uint32(env, v[2], &offset) != napi_ok ||
      napi_get_value_uint32(env, v[3], &length) != napi_ok)
    return integer(env, -1);
  Addon* addon = Addon::of(env);
  const uint8_t* data = addon->regions.at(region, offset, length);
  if (data == nullptr) return integer(env, -1);
  const int32_t count = addon->matcher.scan(database, data, length);
  if (count <= 0) return integer(env, count);

  napi_typedarray_type type = napi_int8_array;
  size_t capacity = 0;
  void* out = nullptr;
  if (napi_get_typedarray_info(env, v[4], &type, &capacity, &out, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array || capacity < static_cast<size_t>(count))
    return integer(env, -1);
  std::memcpy(out, addon->matcher.hits(), static_cast<size_t>(count) * sizeof(uint32_t));
  return integer(env, count);
}

napi_value MatchFree(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon::of(env)->matcher.free(a.u32(0));
  return nullptr;
}

}  // namespace

void bind_matching(napi_env env, napi_value exports) {
  method(env, exports, "matchCompile", MatchCompile);
  method(env, exports, "matchScan", MatchScan);
  method(env, exports, "matchFree", MatchFree);
}

}  // namespace sluice
