// What libmagic says of the first bytes of a file. The library is no part of the build: it is opened when it is first
// asked for, and only where a rule or the configuration wants it.
//
// One FileMagic per JavaScript thread: libmagic's handle belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace sluice {

struct CloseLibrary {
  void operator()(void* library) const;
};

struct CloseCookie {
  void (*close)(void*) = nullptr;
  void operator()(void* cookie) const { close(cookie); }
};

class FileMagic {
 public:
  // Opens the library and its database; "" or what was tried and why it failed. May be called again. `library`: "" for
  // the names libmagic usually has.
  std::string open(const std::string& library);

  // The description of these bytes, valid until the next call; nullptr when there is none or open() has not succeeded.
  const char* describe(const uint8_t* data, size_t length);

 private:
  // The cookie goes first: its destructor is code of the library.
  std::unique_ptr<void, CloseLibrary> library_;
  std::unique_ptr<void, CloseCookie> cookie_;
  const char* (*buffer_)(void*, const void*, size_t) = nullptr;
};

}  // namespace sluice
