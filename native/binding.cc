// The addon's entry: one Addon per JavaScript thread, and the verbs of every mechanism.
// Each mechanism's own binding.cc turns its verbs into functions; nothing else knows Node-API.
#include "addon.h"
#include "napi_util.h"

namespace sluice {
void bind_ring(napi_env env, napi_value exports);
void bind_capture(napi_env env, napi_value exports);
void bind_af_packet(napi_env env, napi_value exports);
void bind_nfnetlink(napi_env env, napi_value exports);
void bind_matching(napi_env env, napi_value exports);
void bind_pcre(napi_env env, napi_value exports);
void bind_magic(napi_env env, napi_value exports);
void bind_process(napi_env env, napi_value exports);
void bind_traffic(napi_env env, napi_value exports);
}  // namespace sluice

NAPI_MODULE_INIT() {
  auto addon = std::make_unique<sluice::Addon>();
  napi_set_instance_data(
      env, addon.release(), [](napi_env, void* data, void*) { delete static_cast<sluice::Addon*>(data); }, nullptr);
  sluice::bind_ring(env, exports);
  sluice::bind_capture(env, exports);
  sluice::bind_af_packet(env, exports);
  sluice::bind_nfnetlink(env, exports);
  sluice::bind_matching(env, exports);
  sluice::bind_pcre(env, exports);
  sluice::bind_magic(env, exports);
  sluice::bind_process(env, exports);
  sluice::bind_traffic(env, exports);
  return exports;
}
