#include "addon.h"
#include "napi_util.h"

namespace sluice {
namespace {

// One byte per UTF-16 unit: rules are bytes, JavaScript carries them as Latin-1.
std::string latin1(napi_env env, napi_value value) {
  size_t n = 0;
  if (value == nullptr || napi_get_value_string_latin1(env, value, nullptr, 0, &n) != napi_ok) return {};
  std::string s(n, '\0');
  napi_get_value_string_latin1(env, value, s.data(), n + 1, &n);
  return s;
}

// pcreCompile(pattern, flags, matchLimit, depthLimit) -> handle
napi_value PcreCompile(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const RegexHandle result = Addon::of(env)->regexes.compile(latin1(env, a.v[0]), a.string(1), a.u32(2), a.u32(3));
  if (result.handle < 0) return fail(env, "EREGEX", "pcreCompile: " + result.error);
  return integer(env, result.handle);
}

// pcreMatch(regex, region, offset, length, start) -> end of the match relative to offset, -1, -2
napi_value PcreMatch(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon* addon = Addon::of(env);
  const uint32_t length = a.u32(3);
  const uint8_t* subject = addon->regions.at(a.u32(1), a.u32(2), length);
  if (subject == nullptr) return integer(env, RegexTable::kNoMatch);
  return integer(env, addon->regexes.match(a.u32(0), subject, length, a.u32(4)));
}

// pcreLastStart() -> where the last match of this thread began, relative to its offset
napi_value PcreLastStart(napi_env env, napi_callback_info) {
  return integer(env, Addon::of(env)->regexes.last_start());
}

// pcreLastGroup(end: 0|1) -> where the first group of that match began or ended, -1
napi_value PcreLastGroup(napi_env env, napi_callback_info info) {
  Args a(env, info);
  return integer(env, Addon::of(env)->regexes.last_group(a.u32(0) != 0));
}

napi_value PcreFree(napi_env env, napi_callback_info info) {
  Args a(env, info);
  Addon::of(env)->regexes.free(a.u32(0));
  return nullptr;
}

}  // namespace

void bind_pcre(napi_env env, napi_value exports) {
  method(env, exports, "pcreCompile", PcreCompile);
  method(env, exports, "pcreMatch", PcreMatch);
  method(env, exports, "pcreLastStart", PcreLastStart);
  method(env, exports, "pcreLastGroup", PcreLastGroup);
  method(env, exports, "pcreFree", PcreFree);
}

}  // namespace sluice
