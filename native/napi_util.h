// Short forms for the Node-API calls that every binding makes.
#pragma once

#include <node_api.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace sluice {

struct Args {
  napi_value v[16];
  size_t count = 16;
  napi_env env;

  Args(napi_env e, napi_callback_info info) : env(e) {
    napi_get_cb_info(e, info, &count, v, nullptr, nullptr);
    for (size_t i = count; i < 16; i++) v[i] = nullptr;
  }
  // A missing or mistyped number reads as 0; hot verbs check ranges afterwards.
  int32_t i32(size_t i) const {
    int32_t x = 0;
    if (v[i] != nullptr) napi_get_value_int32(env, v[i], &x);
    return x;
  }
  uint32_t u32(size_t i) const {
    uint32_t x = 0;
    if (v[i] != nullptr) napi_get_value_uint32(env, v[i], &x);
    return x;
  }
  double f64(size_t i) const {
    double x = 0;
    if (v[i] != nullptr) napi_get_value_double(env, v[i], &x);
    return x;
  }
  bool boolean(size_t i) const {
    bool x = false;
    if (v[i] != nullptr) napi_get_value_bool(env, v[i], &x);
    return x;
  }
  std::string string(size_t i) const {
    size_t n = 0;
    if (v[i] == nullptr || napi_get_value_string_utf8(env, v[i], nullptr, 0, &n) != napi_ok) return {};
    std::string s(n, '\0');
    napi_get_value_string_utf8(env, v[i], s.data(), n + 1, &n);
    return s;
  }
  // The elements of a typed array; length 0 and nullptr when it is not one of element size `bytes`.
  template <typename T>
  T* array(size_t i, size_t* length) const {
    void* data = nullptr;
    napi_typedarray_type type;
    *length = 0;
    if (v[i] == nullptr || napi_get_typedarray_info(env, v[i], &type, length, &data, nullptr, nullptr) != napi_ok) {
      *length = 0;
      return nullptr;
    }
    const size_t size = type <= napi_uint8_clamped_array ? 1
                        : type <= napi_uint16_array      ? 2
                        : type <= napi_float32_array     ? 4
                                                         : 8;
    if (size != sizeof(T)) {
      *length = 0;
      return nullptr;
    }
    return static_cast<T*>(data);
  }
};

inline napi_value number(napi_env env, double x) {
  napi_value r = nullptr;
  napi_create_double(env, x, &r);
  return r;
}
inline napi_value integer(napi_env env, int32_t x) {
  napi_value r = nullptr;
  napi_create_int32(env, x, &r);
  return r;
}

// Throws a JavaScript Error with `code`; the TypeScript side puts the mend into words.
inline napi_value fail(napi_env env, const char* code, const std::string& message) {
  napi_throw_error(env, code, message.c_str());
  return nullptr;
}
// The same for a failed system call: the code is the errno's name where it has one we act on.
inline napi_value fail_errno(napi_env env, const std::string& what, int error) {
  const char* name = strerrorname_np(error);
  return fail(env, name != nullptr ? name : "EUNKNOWN", what + ": " + strerror(error));
}

// A property of an options object; a missing or mistyped one reads as 0, false or "".
inline napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value v = nullptr;
  napi_get_named_property(env, object, name, &v);
  return v;
}
inline int32_t property_int(napi_env env, napi_value object, const char* name) {
  int32_t x = 0;
  napi_get_value_int32(env, property(env, object, name), &x);
  return x;
}
inline bool property_bool(napi_env env, napi_value object, const char* name) {
  bool x = false;
  napi_get_value_bool(env, property(env, object, name), &x);
  return x;
}

inline void method(napi_env env, napi_value exports, const char* name, napi_callback fn) {
  napi_value f = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, fn, nullptr, &f);
  napi_set_named_property(env, exports, name, f);
}

}  // namespace sluice
