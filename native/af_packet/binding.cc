#include "addon.h"
#include "napi_util.h"
namespace sluice {
void bind_af_packet(napi_env, napi_value) {}
}
