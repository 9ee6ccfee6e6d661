// What one JavaScript thread (one Node environment) keeps in the addon.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "af_packet/packet_socket.h"
#include "matching/database.h"
#include "pcre/regex.h"
#include "regions.h"

namespace sluice {

// Handles given to JavaScript are indices into these tables; a freed slot stays empty.
struct Addon {
  Regions regions;
  std::vector<std::unique_ptr<PacketSocket>> sockets;
  Matcher matcher;
  RegexTable regexes;

  static Addon* of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Addon*>(data);
  }
};

}  // namespace sluice
