// events.h - events.jsonl: what happened, one object a line, append-only, never rewritten.
//
// Every event: time_unix, t_monotonic, attempt, rank, kind.  Kinds and their further keys are listed
// in docs/formats.md.  A torn last line is ignored by every reader; any other bad line is an error.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace farthing {

class EventWriter {
 public:
  // Opens for append; if the file ends in a torn line, begins a new line first.
  EventWriter(const std::string& path, int attempt, int rank = 0);
  ~EventWriter();
  // Adds the five common keys before `fields`.  Thread-safe.
  void write(const std::string& kind, const Json& fields);
  void sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls visit for every event in file order.
void read_events(const std::string& path, const std::function<void(const Json& event)>& visit);

}  // namespace farthing
