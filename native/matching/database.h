// Multi-pattern literal search with Vectorscan (Hyperscan's API) in block mode.
//
// One Matcher per JavaScript thread: its databases, and one scratch that has grown to fit the largest of them.
// A handle is an index into the table; a freed slot stays empty, so a stale handle is refused, not reused.
#pragma once

#include <hs/hs.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sluice {

struct Literal {
  const uint8_t* data = nullptr;
  size_t length = 0;
  bool nocase = false;
  uint32_t id = 0;
};

struct MatcherHandle {
  int32_t handle = -1;
  std::string error;  // why, when handle < 0
};

class Matcher {
 public:
  static constexpr int32_t kFailed = -1;

  MatcherHandle compile(const std::vector<Literal>& literals);

  // Scans data[0, length). Returns how many ids occur (read them from hits()), kFailed on a bad handle or a
  // failing scan. Allocates nothing.
  int32_t scan(uint32_t handle, const uint8_t* data, size_t length);

  // Ids found by the last scan: each once, in no order.
  const uint32_t* hits() const { return hits_.data(); }

  void free(uint32_t handle);

 private:
  struct FreeDatabase {
    void operator()(hs_database_t* db) const { hs_free_database(db); }
  };
  struct FreeScratch {
    void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
  };
  struct Database {
    std::unique_ptr<hs_database_t, FreeDatabase> db;
    // Vectorscan reports a slot; several literals may share one id and so one slot.
    std::vector<uint32_t> id_of_slot;
    // The scan in which a slot was last reported.
    std::vector<uint32_t> seen;
  };

  static int on_match(unsigned int slot, unsigned long long from, unsigned long long to, unsigned int flags,
                      void* context);

  std::vector<std::unique_ptr<Database>> databases_;
  std::unique_ptr<hs_scratch_t, FreeScratch> scratch_;
  std::vector<uint32_t> hits_;  // as long as the largest database has ids
  Database* scanning_ = nullptr;
  uint32_t count_ = 0;
  uint32_t stamp_ = 0;
};

}  // namespace sluice
