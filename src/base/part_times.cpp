// part_times.cpp - one mark a thread: the seconds since it go to whatever is current.
#include "base/part_times.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace farthing {
namespace {

constexpr std::string_view kOther = "other";

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Collector {
  PartTimes* times = nullptr;
  std::string_view part = kOther;
  Phase phase = Phase::kForward;
  double mark = 0;

  void settle() {
    const double now = clock_seconds();
    times->add(part, phase, now - mark);
    mark = now;
  }
};

thread_local Collector collector;

}  // namespace

double PartTimes::total() const {
  double sum = 0;
  for (const PartTime& row : rows_) sum += row.total();
  return sum;
}

void PartTimes::add(std::string_view part, Phase phase, double seconds) {
  auto row = std::ranges::find(rows_, part, &PartTime::part);
  if (row == rows_.end()) row = rows_.insert(rows_.end(), PartTime{part, {}});
  row->seconds[static_cast<std::size_t>(phase)] += seconds;
}

CollectParts::CollectParts(PartTimes& times) {
  CHECK(collector.times == nullptr);
  collector = Collector{};
  collector.times = &times;
  collector.mark = clock_seconds();
}
CollectParts::~CollectParts() {
  collector.settle();
  collector.times = nullptr;
}

TimedPart::TimedPart(std::string_view part) : before_(collector.part) {
  if (collector.times == nullptr) return;
  collector.settle();
  collector.part = part;
}
TimedPart::~TimedPart() {
  if (collector.times == nullptr) return;
  collector.settle();
  collector.part = before_;
}

TimedPhase::TimedPhase(Phase phase) : before_(collector.phase) {
  if (collector.times == nullptr) return;
  collector.settle();
  collector.phase = phase;
}
TimedPhase::~TimedPhase() {
  if (collector.times == nullptr) return;
  collector.settle();
  collector.phase = before_;
}

}  // namespace farthing
