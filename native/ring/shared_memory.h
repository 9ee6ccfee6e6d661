// Memory shared between processes: memfd, mmap, and futex to sleep on a word of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

// All return -errno on failure.
int memfd_new(const char* name, size_t bytes);
int map_shared(int fd, size_t bytes, uint8_t** data);

// Sleeps until the word differs from `expected`, a wake-up, or `ms` have passed (-1: no limit).
void futex_wait(const int32_t* word, int32_t expected, int ms);
void futex_wake(const int32_t* word, int count);

}  // namespace sluice
