#include "addon.h"
#include "napi_util.h"
namespace sluice {
void bind_matching(napi_env, napi_value) {}
}
