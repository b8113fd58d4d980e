// events.cpp - events written whole or not at all, and read back.
#include "ledger/events.h"

#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kQuotedBytes = 400;

double unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void check_common_keys(const Json& event, const std::string& where) {
  if (!event.is_object()) {
    throw_bad_input({where, "an event", dump(event).substr(0, 60), "an object", ""});
  }
  for (const char* key : {"time_unix", "t_monotonic", "attempt", "rank"}) {
    const auto found = event.find(key);
    if (found == event.end() || !found->is_number()) {
      throw_bad_input({where, std::string("an event's \"") + key + "\"",
                       found == event.end() ? "none" : dump(*found).substr(0, 60), "a number", ""});
    }
  }
  const auto kind = event.find("kind");
  if (kind == event.end() || !kind->is_string()) {
    throw_bad_input({where, "an event's \"kind\"", "none", "a string", ""});
  }
}

}  // namespace

std::string cut_torn_end(const std::string& path) {
  if (!file_exists(path)) return "";
  const std::string text = read_file(path);
  const std::size_t whole = text.rfind('\n') + 1;  // npos + 1 == 0: no line is whole
  if (whole == text.size()) return "";
  fs::resize_file(path, whole);
  return text.substr(whole, kQuotedBytes);
}

struct EventWriter::State {
  std::string path;
  int attempt;
  int rank;
  Clock::time_point began;
  std::mutex mutex;
  LineAppender file;

  State(const std::string& file_path, int attempt_number, int rank_number, Clock::time_point start)
      : path(file_path),
        attempt(attempt_number),
        rank(rank_number),
        began(start),
        file(file_path) {}

  double seconds() const { return std::chrono::duration<double>(Clock::now() - began).count(); }

  // A line that did not fit must not be the beginning of the next one.
  void append(const std::string& line) {
    const auto size = fs::file_size(path);
    try {
      file.append(line);
    } catch (const Error&) {
      std::error_code ignored;
      fs::resize_file(path, size, ignored);
      throw;
    }
  }
};

EventWriter::EventWriter(const std::string& path, int attempt, int rank, Clock::time_point began) {
  const std::string torn = rank == 0 ? cut_torn_end(path) : "";
  state_ = std::make_unique<State>(path, attempt, rank, began);
  if (!torn.empty()) write("alert", {{"what", "torn line cut off"}, {"text", torn}});
}

EventWriter::~EventWriter() = default;

void EventWriter::write(const std::string& kind, const Json& fields) {
  const std::lock_guard lock(state_->mutex);
  Json event = {{"time_unix", unix_seconds()},
                {"t_monotonic", state_->seconds()},
                {"attempt", state_->attempt},
                {"rank", state_->rank},
                {"kind", kind}};
  if (!fields.is_null()) event.update(fields);
  state_->append(dump(event));
}

void EventWriter::sync() {
  const std::lock_guard lock(state_->mutex);
  state_->file.sync();
}

double EventWriter::seconds() const { return state_->seconds(); }

void read_events_text(
    const std::string& text, const std::string& path,
    const std::function<void(const Json& event, const std::string& where)>& visit) {
  std::size_t begin = 0;
  for (int line = 1; begin < text.size(); ++line) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;  // torn
    const std::string where = path + ":" + std::to_string(line);
    const Json event = parse_json(std::string_view(text).substr(begin, end - begin), where);
    check_common_keys(event, where);
    visit(event, where);
    begin = end + 1;
  }
}

void read_located_events(
    const std::string& path,
    const std::function<void(const Json& event, const std::string& where)>& visit) {
  read_events_text(read_file(path), path, visit);
}

void read_events(const std::string& path, const std::function<void(const Json& event)>& visit) {
  read_located_events(path, [&](const Json& event, const std::string&) { visit(event); });
}

}  // namespace farthing
