#include "matching/database.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <string>
#include <unordered_map>

namespace sluice {
namespace {

struct FreeError {
  void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};

DatabaseResult failed(std::string why) { return {nullptr, std::move(why)}; }

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

struct FreeBytes {
  void operator()(char* bytes) const { std::free(bytes); }
};

// Weak: a database goes with the last thread that uses it.
struct SharedDatabases {
  std::mutex lock;
  std::unordered_map<std::string, std::weak_ptr<const PatternDatabase>> by_key;
};

SharedDatabases& shared_databases() {
  static SharedDatabases all;
  return all;
}

}  // namespace

DatabaseResult compile_database(const std::vector<Literal>& literals) {
  if (literals.empty()) return failed("no literals given");
  if (hs_valid_platform() != HS_SUCCESS) return failed("this processor lacks the instructions Vectorscan needs");

  auto database = std::make_shared<PatternDatabase>();
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

  return {std::move(database), {}};
}

std::vector<uint8_t> serialize_database(const PatternDatabase& database) {
  char* raw = nullptr;
  size_t length = 0;
  if (hs_serialize_database(database.db.get(), &raw, &length) != HS_SUCCESS) return {};
  const std::unique_ptr<char, FreeBytes> bytes(raw);
  return {reinterpret_cast<uint8_t*>(raw), reinterpret_cast<uint8_t*>(raw) + length};
}

DatabaseResult deserialize_database(const uint8_t* data, size_t length, uint32_t ids) {
  if (data == nullptr || length == 0) return failed("no database given");
  auto database = std::make_shared<PatternDatabase>();
  hs_database_t* raw = nullptr;
  const hs_error_t r = hs_deserialize_database(reinterpret_cast<const char*>(data), length, &raw);
  database->db.reset(raw);
  if (r == HS_DB_VERSION_ERROR || r == HS_DB_PLATFORM_ERROR || r == HS_DB_MODE_ERROR)
    return failed("the database was made by another version or for another processor");
  if (r == HS_NOMEM) return failed("no memory for the database");
  if (r != HS_SUCCESS) return failed("the database is damaged (Vectorscan error " + std::to_string(r) + ")");
  database->id_of_slot.resize(ids);
  for (uint32_t i = 0; i < ids; i++) database->id_of_slot[i] = i;
  return {std::move(database), {}};
}

DatabaseResult shared_database(const std::string& key, const uint8_t* data, size_t length, uint32_t ids) {
  SharedDatabases& all = shared_databases();
  const std::lock_guard<std::mutex> guard(all.lock);
  std::weak_ptr<const PatternDatabase>& place = all.by_key[key];
  if (std::shared_ptr<const PatternDatabase> have = place.lock(); have && have->id_of_slot.size() == ids)
    return {std::move(have), {}};
  DatabaseResult made = deserialize_database(data, length, ids);
  if (made.database)
    place = made.database;
  else
    all.by_key.erase(key);
  std::erase_if(all.by_key, [](const auto& entry) { return entry.second.expired(); });
  return made;
}

std::string matcher_version() {
  hs_platform_info_t platform = {};
  if (hs_populate_platform(&platform) != HS_SUCCESS) return hs_version();
  return std::string(hs_version()) + " tune " + std::to_string(platform.tune) + " features " +
         std::to_string(platform.cpu_features);
}

MatcherHandle Matcher::compile(const std::vector<Literal>& literals) { return open(compile_database(literals)); }

MatcherHandle Matcher::open(DatabaseResult shared) {
  if (!shared.database) return {-1, std::move(shared.error)};
  // hs_alloc_scratch frees and replaces the scratch it is given when that is too small.
  hs_scratch_t* scratch = scratch_.release();
  const hs_error_t grown = hs_alloc_scratch(shared.database->db.get(), &scratch);
  scratch_.reset(scratch);
  if (grown != HS_SUCCESS) return {-1, "no memory for Vectorscan's scratch space"};

  auto entry = std::make_unique<Entry>();
  entry->seen.assign(shared.database->id_of_slot.size(), 0);
  if (hits_.size() < entry->seen.size()) hits_.resize(entry->seen.size());
  entry->database = std::move(shared.database);
  entries_.push_back(std::move(entry));
  return {static_cast<int32_t>(entries_.size() - 1), {}};
}

int Matcher::on_match(unsigned int slot, unsigned long long, unsigned long long, unsigned int, void* context) {
  Matcher& self = *static_cast<Matcher*>(context);
  // A database from a file may have more slots than its opener said: end the scan, which then counts as failed.
  if (slot >= self.scanning_->seen.size()) return 1;
  uint32_t& seen = self.scanning_->seen[slot];
  if (seen != self.stamp_) {
    seen = self.stamp_;
    self.hits_[self.count_++] = self.scanning_->database->id_of_slot[slot];
  }
  return 0;
}

int32_t Matcher::scan(uint32_t handle, const uint8_t* data, size_t length) {
  if (handle >= entries_.size() || !entries_[handle]) return kFailed;
  if (length == 0) return 0;
  if (data == nullptr || length > std::numeric_limits<unsigned>::max()) return kFailed;
  scanning_ = entries_[handle].get();
  count_ = 0;
  if (++stamp_ == 0) {  // after 2^32 scans every old stamp would look new
    for (const auto& entry : entries_)
      if (entry) std::fill(entry->seen.begin(), entry->seen.end(), 0);
    stamp_ = 1;
  }
  const hs_error_t r = hs_scan(scanning_->database->db.get(), reinterpret_cast<const char*>(data),
                               static_cast<unsigned>(length), 0, scratch_.get(), on_match, this);
  return r == HS_SUCCESS ? static_cast<int32_t>(count_) : kFailed;
}

void Matcher::free(uint32_t handle) {
  if (handle < entries_.size()) entries_[handle].reset();
}

}  // namespace sluice
