#include "napi_util.h"
#include "process/process.h"

namespace sluice {
namespace {

// confine(uid, gid)
napi_value Confine(napi_env env, napi_callback_info info) {
  Args a(env, info);
  std::string step;
  const int r = confine(a.u32(0), a.u32(1), &step);
  return r < 0 ? fail_errno(env, step, -r) : nullptr;
}

napi_value KeepNetAdmin(napi_env env, napi_callback_info) {
  const int r = keep_net_admin();
  return r < 0 ? fail_errno(env, "PR_SET_KEEPCAPS", -r) : nullptr;
}

napi_value RaiseNetAdmin(napi_env env, napi_callback_info) {
  std::string step;
  const int r = raise_net_admin(&step);
  return r < 0 ? fail_errno(env, step, -r) : nullptr;
}

// pinThread(cpu)
napi_value PinThread(napi_env env, napi_callback_info info) {
  Args a(env, info);
  const int r = pin_thread(a.i32(0));
  return r < 0 ? fail_errno(env, "sched_setaffinity", -r) : nullptr;
}

}  // namespace

void bind_process(napi_env env, napi_value exports) {
  method(env, exports, "confine", Confine);
  method(env, exports, "keepNetAdmin", KeepNetAdmin);
  method(env, exports, "raiseNetAdmin", RaiseNetAdmin);
  method(env, exports, "pinThread", PinThread);
}

}  // namespace sluice
