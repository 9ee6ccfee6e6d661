// Multi-pattern literal search with Vectorscan (Hyperscan's API) in block mode.
//
//   process   PatternDatabase by key: compiled or deserialized once, read only, freed with its last user
//                 ^        ^
//   thread    Matcher   Matcher      handles, the marks "seen in this scan", and one scratch that has grown
//                                    to fit the largest database
//
// A handle is an index into the thread's table; a freed slot stays empty, so a stale handle is refused, not reused.
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

// Read only once made, so threads share it.
struct PatternDatabase {
  struct Free {
    void operator()(hs_database_t* db) const { hs_free_database(db); }
  };
  std::unique_ptr<hs_database_t, Free> db;
  // Vectorscan reports a slot; several literals may share one id and so one slot.
  std::vector<uint32_t> id_of_slot;
};

// A database, or why there is none.
struct DatabaseResult {
  std::shared_ptr<const PatternDatabase> database;
  std::string error;
};

DatabaseResult compile_database(const std::vector<Literal>& literals);

// The database's bytes as they can be stored; empty when there is no memory.
std::vector<uint8_t> serialize_database(const PatternDatabase& database);

// The reverse; ids are 0..ids-1. Refuses bytes of another version or processor, and damaged ones.
DatabaseResult deserialize_database(const uint8_t* data, size_t length, uint32_t ids);

// Version of the library and the processor it compiles for: databases of another one do not load.
std::string matcher_version();

// The database this process already has under `key`, else the one in data[0, length), which is kept under it.
// Safe to call from any thread; one that asks while another deserializes waits for it.
DatabaseResult shared_database(const std::string& key, const uint8_t* data, size_t length, uint32_t ids);

class Matcher {
 public:
  static constexpr int32_t kFailed = -1;

  MatcherHandle compile(const std::vector<Literal>& literals);
  MatcherHandle open(DatabaseResult shared);

  // Scans data[0, length). Returns how many ids occur (read them from hits()), kFailed on a bad handle or a
  // failing scan. Allocates nothing.
  int32_t scan(uint32_t handle, const uint8_t* data, size_t length);

  // Ids found by the last scan: each once, in no order.
  const uint32_t* hits() const { return hits_.data(); }

  void free(uint32_t handle);

 private:
  struct FreeScratch {
    void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
  };
  struct Entry {
    std::shared_ptr<const PatternDatabase> database;
    // The scan in which a slot was last reported.
    std::vector<uint32_t> seen;
  };

  static int on_match(unsigned int slot, unsigned long long from, unsigned long long to, unsigned int flags,
                      void* context);

  std::vector<std::unique_ptr<Entry>> entries_;
  std::unique_ptr<hs_scratch_t, FreeScratch> scratch_;
  std::vector<uint32_t> hits_;  // as long as the largest database has ids
  Entry* scanning_ = nullptr;
  uint32_t count_ = 0;
  uint32_t stamp_ = 0;
};

}  // namespace sluice
