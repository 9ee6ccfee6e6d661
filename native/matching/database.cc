#include "matching/database.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>

namespace sluice {
namespace {

struct FreeError {
  void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};

MatcherHandle failed(std::string why) { return {-1, std::move(why)}; }

// The literal as a regular expression: every byte written \xHH.
std::string escaped(const Literal& literal) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(literal.length * 4);
  for (size_t i = 0; i < literal.length; i++) {
    out += "\\x";
    out += kHex[literal.data[i] >> 4];
    out += kHex[literal.data[i] & 15];
  }
  return out;
}

}  // namespace

MatcherHandle Matcher::compile(const std::vector<Literal>& literals) {
  if (literals.empty()) return failed("no literals given");
  if (hs_valid_platform() != HS_SUCCESS) return failed("this processor lacks the instructions Vectorscan needs");

  auto database = std::make_unique<Database>();
  std::unordered_map<uint32_t, unsigned> slot_of_id;
  std::vector<const char*> expressions;
  std::vector<unsigned> flags;
  std::vector<unsigned> slots;
  std::vector<size_t> lengths;
  for (const Literal& literal : literals) {
    if (literal.length == 0) return failed("literal " + std::to_string(expressions.size()) + " is empty");
    const auto [entry, fresh] = slot_of_id.try_emplace(literal.id, static_cast<unsigned>(database->id_of_slot.size()));
    if (fresh) database->id_of_slot.push_back(literal.id);
    expressions.push_back(reinterpret_cast<const char*>(literal.data));
    flags.push_back(HS_FLAG_SINGLEMATCH | (literal.nocase ? HS_FLAG_CASELESS : 0));
    slots.push_back(entry->second);
    lengths.push_back(literal.length);
  }
  database->seen.assign(database->id_of_slot.size(), 0);

  // The literal interface takes a literal whose first byte is 0 for an empty string and refuses it. A set with
  // such a literal goes through the expression interface, which recognises literals by itself (slower to compile).
  std::vector<std::string> texts;
  if (std::any_of(literals.begin(), literals.end(), [](const Literal& l) { return l.data[0] == 0; })) {
    texts.reserve(literals.size());
    for (size_t i = 0; i < literals.size(); i++) {
      texts.push_back(escaped(literals[i]));
      expressions[i] = texts[i].c_str();
    }
  }

  hs_database_t* db = nullptr;
  hs_compile_error_t* raw_error = nullptr;
  const auto count = static_cast<unsigned>(expressions.size());
  const hs_error_t r = texts.empty()
                           ? hs_compile_lit_multi(expressions.data(), flags.data(), slots.data(), lengths.data(), count,
                                                  HS_MODE_BLOCK, nullptr, &db, &raw_error)
                           : hs_compile_multi(expressions.data(), flags.data(), slots.data(), count, HS_MODE_BLOCK,
                                              nullptr, &db, &raw_error);
  const std::unique_ptr<hs_compile_error_t, FreeError> error(raw_error);
  if (r != HS_SUCCESS) {
    if (!error) return failed("Vectorscan error " + std::to_string(r));
    return failed("literal " + std::to_string(error->expression) + ": " + error->message);
  }
  database->db.reset(db);

  // hs_alloc_scratch frees and replaces the scratch it is given when that is too small.
  hs_scratch_t* scratch = scratch_.release();
  const hs_error_t grown = hs_alloc_scratch(db, &scratch);
  scratch_.reset(scratch);
  if (grown != HS_SUCCESS) return failed("no memory for Vectorscan's scratch space");

  if (hits_.size() < database->id_of_slot.size()) hits_.resize(database->id_of_slot.size());
  databases_.push_back(std::move(database));
  return {static_cast<int32_t>(databases_.size() - 1), {}};
}

int Matcher::on_match(unsigned int slot, unsigned long long, unsigned long long, unsigned int, void* context) {
  Matcher& self = *static_cast<Matcher*>(context);
  uint32_t& seen = self.scanning_->seen[slot];
  if (seen != self.stamp_) {
    seen = self.stamp_;
    self.hits_[self.count_++] = self.scanning_->id_of_slot[slot];
  }
  return 0;
}

int32_t Matcher::scan(uint32_t handle, const uint8_t* data, size_t length) {
  if (handle >= databases_.size() || !databases_[handle]) return kFailed;
  if (length == 0) return 0;
  if (data == nullptr || length > std::numeric_limits<unsigned>::max()) return kFailed;
  scanning_ = databases_[handle].get();
  count_ = 0;
  if (++stamp_ == 0) {  // after 2^32 scans every old stamp would look new
    for (const auto& database : databases_)
      if (database) std::fill(database->seen.begin(), database->seen.end(), 0);
    stamp_ = 1;
  }
  const hs_error_t r = hs_scan(scanning_->db.get(), reinterpret_cast<const char*>(data), static_cast<unsigned>(length),
                               0, scratch_.get(), on_match, this);
  return r == HS_SUCCESS ? static_cast<int32_t>(count_) : kFailed;
}

void Matcher::free(uint32_t handle) {
  if (handle < databases_.size()) databases_[handle].reset();
}

}  // namespace sluice
