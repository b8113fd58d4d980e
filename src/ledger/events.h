// events.h - events.jsonl: what happened, one object a line, append-only, never rewritten.
//
// Every event: time_unix, t_monotonic (seconds since the attempt began, on a clock that never
// steps), attempt, rank, kind.  Kinds and their further keys: docs/formats.md.
//
// A torn last line, which a kill leaves, is no event: every reader ignores it, and the next attempt
// cuts it off and quotes it in an alert.  Any other bad line is an error.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace farthing {

// Cuts off what follows the file's last newline; returns the beginning of it, "" when nothing did.
std::string cut_torn_end(const std::string& path);

class EventWriter {
 public:
  using Clock = std::chrono::steady_clock;
  // Opens for append.  Only rank 0 mends a torn end.  The attempt began at `began`.
  EventWriter(const std::string& path, int attempt, int rank = 0,
              Clock::time_point began = Clock::now());
  ~EventWriter();
  // Adds the five common keys before `fields`.  Thread-safe.  A write that fails (a full disk)
  // leaves the file as it was and throws.
  void write(const std::string& kind, const Json& fields);
  void sync();
  // Of the attempt so far, as the next event would say.
  double seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls visit for every event in file order.  Errors: Error{kBadInput} with path:line for a line
// that is not an object with the common keys.
void read_events(const std::string& path, const std::function<void(const Json& event)>& visit);
// The same, with "path:line" for the visitor's own complaints.
void read_located_events(
    const std::string& path,
    const std::function<void(const Json& event, const std::string& where)>& visit);
// The same over text already read.
void read_events_text(
    const std::string& text, const std::string& path,
    const std::function<void(const Json& event, const std::string& where)>& visit);

}  // namespace farthing
