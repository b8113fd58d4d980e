// error.h - the one exception type: what went wrong in the world, and the exit status it means.
//
// Throw it for a file, a config, a request; CHECK (check.h) is for faults of the code.  It is
// caught in main, in the HTTP handler and at a rank's entry, nowhere else.
#pragma once
#include <exception>
#include <string>
#include <string_view>

namespace farthing {

// The value is the program's exit status.
enum class ErrorCode {
  kFailed = 1,         // anything else, a failed CHECK included
  kUsage = 2,          // the command line
  kBadInput = 3,       // a file, a config, data
  kOutOfResource = 4,  // memory, disk; refused for lack of budget
  kGuardStopped = 5,   // the guard ended the run
  kPreempted = 75,     // saved after a notice or the end of an allocation: run me again
  kInterrupted = 130,  // Ctrl-C, after a clean save
};

struct Error : std::exception {
  Error(ErrorCode error_code, std::string error_message)
      : code(error_code), message(std::move(error_message)) {}
  const char* what() const noexcept override { return message.c_str(); }

  ErrorCode code;
  std::string message;
};

// What a message about bad input must say; empty parts are left out.
// "where: what: found X, wanted Y (hint)"
struct Complaint {
  std::string where;  // file, file:line, or flag
  std::string what;
  std::string found;
  std::string wanted;
  std::string hint;
};

[[noreturn]] void throw_bad_input(const Complaint& complaint);
[[noreturn]] void throw_wrong_use(const Complaint& complaint);  // of the command line: kUsage
std::string to_string(const Complaint& complaint);

// The candidate nearest to `word` by edit distance, or "" if none is near (distance > 1/3 length).
// Cost O(|word| * total length).
template <class Range>
std::string nearest_spelling(std::string_view word, const Range& candidates);
std::size_t edit_distance(std::string_view a, std::string_view b);

template <class Range>
std::string nearest_spelling(std::string_view word, const Range& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 3 + 2;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace farthing
