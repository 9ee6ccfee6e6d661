// What one JavaScript thread (one Node environment) keeps in the addon.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "af_packet/packet_socket.h"
#include "matching/database.h"
#include "pcre/regex.h"
#include "regions.h"

namespace sluice {

// The time a thread last looked, where JavaScript reads it without a call.
struct Clock {
  int32_t words[2] = {0, 0};

  void read() {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    words[0] = static_cast<int32_t>(t.tv_sec);
    words[1] = static_cast<int32_t>(t.tv_nsec);
  }
};

// Handles given to JavaScript are indices into these tables; a freed slot stays empty.
struct Addon {
  Regions regions;
  std::vector<std::unique_ptr<PacketSocket>> sockets;
  Matcher matcher;
  RegexTable regexes;
  Clock clock;

  static Addon* of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Addon*>(data);
  }
};

}  // namespace sluice
