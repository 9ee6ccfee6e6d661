#include "magic/magic.h"

#include <dlfcn.h>

namespace sluice {
namespace {

// magic.h of libmagic 4 and 5: these have not changed.
constexpr int kPlain = 0;
constexpr const char* kNames[] = {"libmagic.so.1", "libmagic.so"};

template <typename F>
bool symbol(void* library, const char* name, F* out) {
  *out = reinterpret_cast<F>(dlsym(library, name));
  return *out != nullptr;
}

std::string last_error() {
  const char* text = dlerror();
  return text != nullptr ? text : "unknown error";
}

}  // namespace

void CloseLibrary::operator()(void* library) const { dlclose(library); }

std::string FileMagic::open(const std::string& name) {
  if (cookie_ != nullptr) return {};
  std::string tried;
  std::unique_ptr<void, CloseLibrary> library;
  if (!name.empty()) {
    library.reset(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (library == nullptr) return last_error();
  }
  for (const char* candidate : kNames) {
    if (library != nullptr) break;
    library.reset(dlopen(candidate, RTLD_NOW | RTLD_LOCAL));
    if (library == nullptr) tried += (tried.empty() ? "" : "; ") + last_error();
  }
  if (library == nullptr) return tried;

  void* (*open)(int) = nullptr;
  void (*close)(void*) = nullptr;
  int (*load)(void*, const char*) = nullptr;
  const char* (*error)(void*) = nullptr;
  const char* (*buffer)(void*, const void*, size_t) = nullptr;
  if (!symbol(library.get(), "magic_open", &open) || !symbol(library.get(), "magic_close", &close) ||
      !symbol(library.get(), "magic_load", &load) || !symbol(library.get(), "magic_error", &error) ||
      !symbol(library.get(), "magic_buffer", &buffer)) {
    return "it is no libmagic: " + last_error();
  }
  std::unique_ptr<void, CloseCookie> cookie(open(kPlain), CloseCookie{close});
  if (cookie == nullptr) return "magic_open: no memory";
  if (load(cookie.get(), nullptr) != 0) {
    const char* why = error(cookie.get());
    return std::string("magic_load: ") + (why != nullptr ? why : "its database cannot be read");
  }
  library_ = std::move(library);
  cookie_ = std::move(cookie);
  buffer_ = buffer;
  return {};
}

const char* FileMagic::describe(const uint8_t* data, size_t length) {
  return cookie_ == nullptr ? nullptr : buffer_(cookie_.get(), data, length);
}

}  // namespace sluice
