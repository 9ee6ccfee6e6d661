// The memory JavaScript lets the addon read and write, by number.
//
// A region number and an offset cost two integers per call; a typed array would cost a look-up of its
// backing store. Every access is checked against the region's length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

struct Region {
  uint8_t* data = nullptr;
  size_t length = 0;
};

class Regions {
 public:
  // Returns the number of the new region. Numbers are small and never reused within a thread.
  uint32_t add(uint8_t* data, size_t length) {
    table_.push_back({data, length});
    return static_cast<uint32_t>(table_.size() - 1);
  }

  void remove(uint32_t id) {
    if (id < table_.size()) table_[id] = {};
  }

  size_t length(uint32_t id) const { return id < table_.size() ? table_[id].length : 0; }

  // nullptr unless [offset, offset + length) lies within the region.
  uint8_t* at(uint32_t id, size_t offset, size_t length) const {
    if (id >= table_.size()) return nullptr;
    const Region& region = table_[id];
    if (offset > region.length || length > region.length - offset) return nullptr;
    return region.data + offset;
  }

 private:
  std::vector<Region> table_;
};

}  // namespace sluice
