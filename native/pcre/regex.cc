#include "pcre/regex.h"

#include <limits>

namespace sluice {
namespace {

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  const int n = pcre2_get_error_message(code, text, sizeof text);
  return n < 0 ? "error " + std::to_string(code) : std::string(reinterpret_cast<char*>(text), static_cast<size_t>(n));
}

// false for a letter that is no flag.
bool options_of(std::string_view flags, uint32_t* options, char* unknown) {
  // The subject is bytes, so a pattern may not switch to UTF with (*UTF).
  *options = PCRE2_NEVER_UTF;
  for (const char flag : flags) {
    switch (flag) {
      case 'i':
        *options |= PCRE2_CASELESS;
        break;
      case 's':
        *options |= PCRE2_DOTALL;
        break;
      case 'm':
        *options |= PCRE2_MULTILINE;
        break;
      case 'x':
        *options |= PCRE2_EXTENDED;
        break;
      case 'A':
        *options |= PCRE2_ANCHORED;
        break;
      case 'E':
        *options |= PCRE2_DOLLAR_ENDONLY;
        break;
      case 'G':
        *options |= PCRE2_UNGREEDY;
        break;
      default:
        *unknown = flag;
        return false;
    }
  }
  return true;
}

}  // namespace

RegexHandle RegexTable::compile(std::string_view pattern, std::string_view flags, uint32_t match_limit,
                                uint32_t depth_limit) {
  uint32_t options = 0;
  char unknown = 0;
  if (!options_of(flags, &options, &unknown)) return {-1, std::string("unknown flag '") + unknown + "'"};

  if (!match_data_) match_data_.reset(pcre2_match_data_create(2, nullptr));
  if (!jit_stack_) jit_stack_.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr));
  if (!match_data_) return {-1, "no memory"};

  int code = 0;
  PCRE2_SIZE offset = 0;
  auto regex = std::make_unique<Regex>();
  regex->code.reset(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &code, &offset, nullptr));
  if (!regex->code) return {-1, "at offset " + std::to_string(offset) + ": " + message_of(code)};
  // A pattern the JIT refuses is interpreted.
  pcre2_jit_compile(regex->code.get(), PCRE2_JIT_COMPLETE);

  regex->limits.reset(pcre2_match_context_create(nullptr));
  if (!regex->limits) return {-1, "no memory"};
  if (match_limit != 0) pcre2_set_match_limit(regex->limits.get(), match_limit);
  if (depth_limit != 0) pcre2_set_depth_limit(regex->limits.get(), depth_limit);
  pcre2_set_heap_limit(regex->limits.get(), kHeapLimitKiB);
  if (jit_stack_) pcre2_jit_stack_assign(regex->limits.get(), nullptr, jit_stack_.get());

  regexes_.push_back(std::move(regex));
  return {static_cast<int32_t>(regexes_.size() - 1), {}};
}

int32_t RegexTable::match(uint32_t handle, const uint8_t* subject, size_t length, size_t start) {
  if (handle >= regexes_.size() || !regexes_[handle]) return kNoMatch;
  if (subject == nullptr || start > length || length > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    return kNoMatch;
  const Regex& regex = *regexes_[handle];
  const int r = pcre2_match(regex.code.get(), subject, length, start, 0, match_data_.get(), regex.limits.get());
  if (r == PCRE2_ERROR_NOMATCH) return kNoMatch;
  if (r < 0) return kLimit;
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match_data_.get());
  // \K in a lookahead can put the start behind the end.
  last_start_ = static_cast<int32_t>(bounds[0]);
  // r: one more than the highest group that took part; 0 when there are more than fit.
  const bool group = r != 1 && bounds[2] != PCRE2_UNSET;
  last_group_[0] = group ? static_cast<int32_t>(bounds[2]) : -1;
  last_group_[1] = group ? static_cast<int32_t>(bounds[3]) : -1;
  return static_cast<int32_t>(bounds[1]);
}

void RegexTable::free(uint32_t handle) {
  if (handle < regexes_.size()) regexes_[handle].reset();
}

}  // namespace sluice
