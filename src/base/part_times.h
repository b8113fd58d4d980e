// part_times.h - where a step's seconds go: by part and by phase, every second in one place.
//
//   PartTimes times;
//   { const CollectParts collect(times);                 from now on, on this thread
//     const TimedPhase phase(Phase::kForward);
//     const TimedPart part("attention core"); ... }
//
// A part inside another takes its seconds away from it, so that parts sum up to what was collected;
// what lies in no part is "other".  Without a collector, parts and phases cost a look at a pointer;
// with one, a read of the clock at each end.
//
// Threads  The collector belongs to the thread that made it: the one that owns the step.
#pragma once
#include <array>
#include <string_view>
#include <vector>

namespace farthing {

enum class Phase { kForward, kBackwardInput, kBackwardWeight, kUpdate };
inline constexpr int kPhases = 4;

struct PartTime {
  std::string_view part;
  std::array<double, kPhases> seconds{};  // by phase
  double total() const { return seconds[0] + seconds[1] + seconds[2] + seconds[3]; }
};

class PartTimes {
 public:
  // In the order of first use.
  const std::vector<PartTime>& rows() const { return rows_; }
  double total() const;
  void add(std::string_view part, Phase phase, double seconds);
  void clear() { rows_.clear(); }

 private:
  std::vector<PartTime> rows_;
};

// While it lives, what this thread does is counted in `times`.  REQUIRES no other one lives on it.
class CollectParts {
 public:
  explicit CollectParts(PartTimes& times);
  CollectParts(const CollectParts&) = delete;
  CollectParts& operator=(const CollectParts&) = delete;
  ~CollectParts();
};

// REQUIRES: part outlives the collected times (a literal).
class TimedPart {
 public:
  explicit TimedPart(std::string_view part);
  TimedPart(const TimedPart&) = delete;
  TimedPart& operator=(const TimedPart&) = delete;
  ~TimedPart();

 private:
  std::string_view before_;
};

class TimedPhase {
 public:
  explicit TimedPhase(Phase phase);
  TimedPhase(const TimedPhase&) = delete;
  TimedPhase& operator=(const TimedPhase&) = delete;
  ~TimedPhase();

 private:
  Phase before_;
};

}  // namespace farthing
