#include "addon.h"
#include "napi_util.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

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

// One set of literals for matchBuild: { bytes, lengths, nocase }, ids 0..n-1. False when it is malformed.
bool literals_of(napi_env env, napi_value set, std::vector<Literal>* out) {
  size_t length[3] = {};
  void* data[3] = {};
  const char* names[3] = {"bytes", "lengths", "nocase"};
  const napi_typedarray_type types[3] = {napi_uint8_array, napi_uint32_array, napi_uint8_array};
  for (int i = 0; i < 3; i++) {
    napi_typedarray_type type = napi_int8_array;
    const napi_value array = property(env, set, names[i]);
    if (array == nullptr ||
        napi_get_typedarray_info(env, array, &type, &length[i], &data[i], nullptr, nullptr) != napi_ok ||
        type != types[i])
      return false;
  }
  if (length[2] < length[1]) return false;
  const auto* bytes = static_cast<const uint8_t*>(data[0]);
  const auto* lengths = static_cast<const uint32_t*>(data[1]);
  const auto* nocase = static_cast<const uint8_t*>(data[2]);
  size_t at = 0;
  out->reserve(length[1]);
  for (size_t i = 0; i < length[1]; i++) {
    if (lengths[i] > length[0] - at) return false;
    out->push_back({bytes + at, lengths[i], nocase[i] != 0, static_cast<uint32_t>(i)});
    at += lengths[i];
  }
  return true;
}

// matchBuild(sets: { bytes, lengths, nocase }[], threads) -> per set its serialized database or a string that
// says why not. Blocks the calling thread; compiles on `threads` threads, the largest sets first.
napi_value MatchBuild(napi_env env, napi_callback_info info) {
  Args a(env, info);
  uint32_t count = 0;
  if (a.v[0] == nullptr || napi_get_array_length(env, a.v[0], &count) != napi_ok)
    return fail(env, "EINVAL", "matchBuild: an array of literal sets is needed");
  std::vector<std::vector<Literal>> sets(count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value set = nullptr;
    if (napi_get_element(env, a.v[0], i, &set) != napi_ok || !literals_of(env, set, &sets[i]))
      return fail(env, "EINVAL", "matchBuild: set " + std::to_string(i) + " is not { bytes, lengths, nocase }");
  }
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t x, uint32_t y) { return sets[x].size() > sets[y].size(); });

  std::vector<std::vector<uint8_t>> bytes(count);
  std::vector<std::string> errors(count);
  std::atomic<uint32_t> next{0};
  const auto work = [&] {
    for (uint32_t k = next++; k < count; k = next++) {
      const uint32_t i = order[k];
      try {
        const DatabaseResult made = compile_database(sets[i]);
        if (made.database) bytes[i] = serialize_database(*made.database);
        errors[i] = made.database && bytes[i].empty() ? "no memory for the database" : made.error;
      } catch (const std::bad_alloc&) {  // would end the process where no caller can catch it
        bytes[i].clear();
        errors[i] = "no memory";
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    const uint32_t threads = std::min({std::max(a.u32(1), 1u), std::max(count, 1u), 64u});
    try {
      while (helpers.size() + 1 < threads) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // Fewer threads than asked for: the others and this one do the work.
    }
    work();
  }
  napi_value result = nullptr;
  napi_create_array_with_length(env, count, &result);
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = nullptr;
    if (bytes[i].empty())
      napi_create_string_utf8(env, errors[i].c_str(), errors[i].size(), &element);
    else
      napi_create_buffer_copy(env, bytes[i].size(), bytes[i].data(), nullptr, &element);
    napi_set_element(env, result, i, element);
    std::vector<uint8_t>().swap(bytes[i]);
  }
  malloc_trim(0);
  return result;
}

// matchOpen(key, database: Uint8Array, ids) -> handle of this thread; the database is the process's.
napi_value MatchOpen(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t length = 0;
  const uint8_t* data = a.array<uint8_t>(1, &length);
  const MatcherHandle result = Addon::of(env)->matcher.open(shared_database(a.string(0), data, length, a.u32(2)));
  if (result.handle < 0) return fail(env, "EMATCHER", "matchOpen: " + result.error);
  return integer(env, result.handle);
}

napi_value MatchVersion(napi_env env, napi_callback_info) {
  const std::string version = matcher_version();
  napi_value r = nullptr;
  napi_create_string_utf8(env, version.c_str(), version.size(), &r);
  return r;
}

}  // namespace

void bind_matching(napi_env env, napi_value exports) {
  method(env, exports, "matchCompile", MatchCompile);
  method(env, exports, "matchScan", MatchScan);
  method(env, exports, "matchFree", MatchFree);
  method(env, exports, "matchBuild", MatchBuild);
  method(env, exports, "matchOpen", MatchOpen);
  method(env, exports, "matchVersion", MatchVersion);
}

}  // namespace sluice
