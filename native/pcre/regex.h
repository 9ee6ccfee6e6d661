// Regular expressions with PCRE2: compiled to machine code where its JIT can, interpreted where not.
//
// One RegexTable per JavaScript thread. A handle is an index; a freed slot stays empty. Every match is bounded by
// the regex's match and depth limits, and by a heap and a JIT stack that do not grow past the constants below.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct RegexHandle {
  int32_t handle = -1;
  std::string error;  // why and where, when handle < 0
};

class RegexTable {
 public:
  static constexpr int32_t kNoMatch = -1;
  static constexpr int32_t kLimit = -2;

  // `flags`: any of i s m x A (anchored) E (dollar_endonly) G (ungreedy). A limit of 0 keeps PCRE2's default.
  RegexHandle compile(std::string_view pattern, std::string_view flags, uint32_t match_limit, uint32_t depth_limit);

  // Searches subject[0, length) from `start`. Returns the end of the match, kNoMatch, or kLimit when a limit (or
  // any other refusal of PCRE2) ended the search. A bad handle or start is no match.
  int32_t match(uint32_t handle, const uint8_t* subject, size_t length, size_t start);

  // Where the last successful match began.
  int32_t last_start() const { return last_start_; }
  // Where the first group of the last successful match began and ended; -1 when it took no part.
  int32_t last_group(bool end) const { return last_group_[end ? 1 : 0]; }

  void free(uint32_t handle);

 private:
  static constexpr size_t kJitStackStart = 32 * 1024;
  static constexpr size_t kJitStackMax = 512 * 1024;
  static constexpr uint32_t kHeapLimitKiB = 16 * 1024;

  template <auto fn>
  struct Free {
    template <typename T>
    void operator()(T* p) const {
      fn(p);
    }
  };
  struct Regex {
    std::unique_ptr<pcre2_code, Free<pcre2_code_free>> code;
    std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>> limits;
  };

  std::unique_ptr<pcre2_jit_stack, Free<pcre2_jit_stack_free>> jit_stack_;
  // Two pairs of offsets are enough: only the whole match and its first group are asked for. Shared, because a thread
  // runs one at a time.
  std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>> match_data_;
  std::vector<std::unique_ptr<Regex>> regexes_;
  int32_t last_start_ = 0;
  int32_t last_group_[2] = {-1, -1};
};

}  // namespace sluice
