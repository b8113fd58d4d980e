// json.cpp - a strict parse in time linear in the text, whatever the number of keys.
#include "base/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace farthing {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kLongestQuote = 200;  // of what a hostile file holds, in a message

// Builds the value from the parser's events.  The library's own builder looks every key up among
// all earlier ones; here a set tells whether it is new, and the pair is appended.
class Builder : public Json::json_sax_t {
 public:
  explicit Builder(const std::string& where) : where_(where) {}
  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none

  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }

  bool key(string_t& name) override {
    Open& object = open_.back();
    if (!object.keys.insert(name).second) {
      throw_bad_input(
          {where_, "JSON has the key \"" + name.substr(0, kLongestQuote) + "\" twice", "", "", ""});
    }
    auto& members = object.value->get_ref<Json::object_t&>();
    using Pairs = std::remove_reference_t<decltype(members)>::Container;
    static_cast<Pairs&>(members).emplace_back(std::move(name), nullptr);
    member_ = &members.back().second;
    return true;
  }

  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::json::exception& fault) override {
    throw_bad_input({where_, "not valid JSON", quoted(fault.what()), "", ""});
  }

 private:
  struct Open {
    Json* value;
    std::set<std::string> keys;
  };

  // Without the library's "[json.exception.parse_error.101] ".
  static std::string quoted(const std::string& message) {
    const std::size_t label = message.find("] ");
    const std::string text = label == std::string::npos ? message : message.substr(label + 2);
    return text.size() <= kLongestQuote ? text : text.substr(0, kLongestQuote) + "...";
  }

  // Where the next value stands.
  Json* place(Json value) {
    Json* target = &root_;
    if (!open_.empty() && open_.back().value->is_array()) {
      auto& elements = open_.back().value->get_ref<Json::array_t&>();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    if (!open_.empty()) target = member_;
    *target = std::move(value);
    return target;
  }

  bool put(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() >= kMaxDepth) {
      throw_bad_input(
          {where_, "JSON is nested too deeply", "more than 64 levels", "at most 64", ""});
    }
    open_.push_back({place(std::move(value)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  Json root_;
  std::vector<Open> open_;
  Json* member_ = nullptr;  // the value of the key that was read last
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  Builder builder(where);
  Json::sax_parse(text, &builder);
  return builder.take();
}

Json read_json(const std::string& path) { return parse_json(read_file(path), path); }

Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace farthing
