// What one JavaScript thread (one Node environment) keeps in the addon.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "frame_source.h"
#include "magic/magic.h"
#include "matching/database.h"
#include "nfnetlink/raw_sender.h"
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
  std::vector<std::unique_ptr<FrameSource>> sources;
  Matcher matcher;
  RegexTable regexes;
  FileMagic magic;
  RawSender raw;
  Clock clock;

  // nullptr when the handle is stale.
  FrameSource* source(uint32_t handle) const { return handle < sources.size() ? sources[handle].get() : nullptr; }
  // nullptr also when it is of another kind.
  template <typename T>
  T* source_as(uint32_t handle) const {
    FrameSource* s = source(handle);
    return s != nullptr && s->kind() == T::kKind ? static_cast<T*>(s) : nullptr;
  }

  static Addon* of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Addon*>(data);
  }
};

}  // namespace sluice
