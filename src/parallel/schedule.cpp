// schedule.cpp - schedules of one rank; the ways of micro-batches; the rules that all keep.
#include "parallel/schedule.h"

#include <algorithm>
#include <array>
#include <deque>

#include "base/check.h"

namespace farthing {
namespace {

constexpr std::array<const char*, 6> kNames = {"gpipe", "1f1b",     "interleaved",
                                               "zb1p",  "dualpipe", "dualpipev"};

// How far each (micro-batch, chunk) of a rank has come.
enum class Progress : char { kNone, kForward, kBackwardInput, kDone };

bool is_backward(PhaseKind kind) {
  return kind == PhaseKind::kBackward || kind == PhaseKind::kBackwardInput;
}

// DualPipe's two halves of the micro-batches enter at different ends.
bool runs_backwards(const Schedule& schedule, int micro_batch) {
  return schedule.kind == ScheduleKind::kDualPipe && micro_batch >= schedule.n_micro_batches / 2;
}

std::string broken_rank_rule(const Schedule& schedule, const RankSchedule& ops) {
  const int n = schedule.n_micro_batches;
  std::vector<Progress> progress(static_cast<std::size_t>(n) *
                                 static_cast<std::size_t>(schedule.n_chunks));
  std::deque<std::size_t> waiting;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const ScheduleOp& op = ops[i];
    if (op.micro_batch < 0 || op.micro_batch >= n) return "a micro-batch that does not exist";
    if (op.stage < 0 || op.stage >= schedule.n_chunks) return "a chunk that does not exist";
    const std::size_t key = static_cast<std::size_t>(op.stage) * static_cast<std::size_t>(n) +
                            static_cast<std::size_t>(op.micro_batch);
    Progress& now = progress[key];
    if (op.overlaps_next &&
        (op.kind != PhaseKind::kForward || i + 1 == ops.size() || !is_backward(ops[i + 1].kind))) {
      return "an overlap that is no F with a B";
    }
    switch (op.kind) {
      case PhaseKind::kForward:
        if (now != Progress::kNone) return "F twice";
        now = Progress::kForward;
        break;
      case PhaseKind::kBackward:
      case PhaseKind::kBackwardInput:
        if (now == Progress::kNone) return "B before F";
        if (now != Progress::kForward) return "B twice";
        now = op.kind == PhaseKind::kBackward ? Progress::kDone : Progress::kBackwardInput;
        if (op.kind == PhaseKind::kBackwardInput) waiting.push_back(key);
        break;
      case PhaseKind::kBackwardWeight:
        if (waiting.empty()) return "W before B";
        if (waiting.front() != key) return "W not FIFO";
        waiting.pop_front();
        now = Progress::kDone;
        break;
    }
  }
  // A chunk of DualPipe sees the half of the micro-batches that comes its way, the others all.
  const auto done = std::count(progress.begin(), progress.end(), Progress::kDone);
  const auto begun = static_cast<std::ptrdiff_t>(progress.size()) -
                     std::count(progress.begin(), progress.end(), Progress::kNone);
  const std::ptrdiff_t wanted = static_cast<std::ptrdiff_t>(n) *
                                (schedule.kind == ScheduleKind::kDualPipe ? 1 : schedule.n_chunks);
  return done == wanted && begun == wanted ? "" : "work left out";
}

// Runs all ranks as far as data allow; true when every one comes to its end.
class Walk {
 public:
  explicit Walk(const Schedule& schedule)
      : schedule_(schedule),
        at_(schedule.ranks.size()),
        forward_(static_cast<std::size_t>(schedule.n_micro_batches)),
        backward_(static_cast<std::size_t>(schedule.n_micro_batches), schedule.n_stages()) {}

  bool finishes() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int rank = 0; rank < schedule_.n_ranks(); ++rank) moved |= advance(rank);
    }
    for (int rank = 0; rank < schedule_.n_ranks(); ++rank) {
      if (at_[static_cast<std::size_t>(rank)] < ops(rank).size()) return false;
    }
    return true;
  }

 private:
  const RankSchedule& ops(int rank) const {
    return schedule_.ranks[static_cast<std::size_t>(rank)];
  }

  bool advance(int rank) {
    std::size_t& at = at_[static_cast<std::size_t>(rank)];
    const std::size_t before = at;
    while (at < ops(rank).size()) {
      const ScheduleOp& op = ops(rank)[at];
      if (!is_ready(rank, op)) break;
      if (op.overlaps_next) {  // both begin at once
        if (!is_ready(rank, ops(rank)[at + 1])) break;
        finish(op);
        ++at;
      }
      finish(ops(rank)[at++]);
    }
    return at > before;
  }
  // F needs the stage before it; B needs the stage behind it.
  bool is_ready(int rank, const ScheduleOp& op) const {
    const int position = position_of(schedule_, rank, op.stage);
    const auto m = static_cast<std::size_t>(op.micro_batch);
    if (op.kind == PhaseKind::kForward) return forward_[m] == position;
    if (op.kind == PhaseKind::kBackwardWeight) return true;
    return backward_[m] == position + 1 && forward_[m] > position;
  }
  void finish(const ScheduleOp& op) {
    const auto m = static_cast<std::size_t>(op.micro_batch);
    if (op.kind == PhaseKind::kForward) ++forward_[m];
    if (is_backward(op.kind)) --backward_[m];
  }

  const Schedule& schedule_;
  std::vector<std::size_t> at_;
  std::vector<int> forward_, backward_;  // stages passed by each micro-batch
};

}  // namespace

RankSchedule single_rank_schedule(int n_micro_batches) {
  CHECK(n_micro_batches >= 1);
  RankSchedule schedule;
  for (int micro_batch = 0; micro_batch < n_micro_batches; ++micro_batch) {
    schedule.push_back({PhaseKind::kForward, micro_batch, 0});
    schedule.push_back({PhaseKind::kBackward, micro_batch, 0});
  }
  return schedule;
}

RankSchedule single_rank_schedule_delayed(int n_micro_batches) {
  CHECK(n_micro_batches >= 1);
  RankSchedule schedule;
  for (const PhaseKind kind :
       {PhaseKind::kForward, PhaseKind::kBackwardInput, PhaseKind::kBackwardWeight}) {
    for (int micro_batch = 0; micro_batch < n_micro_batches; ++micro_batch) {
      schedule.push_back({kind, micro_batch, 0});
    }
  }
  return schedule;
}

int Schedule::n_stages() const {
  return kind == ScheduleKind::kDualPipe ? n_ranks() : n_ranks() * n_chunks;
}

int stage_of(const Schedule& schedule, int rank, int chunk) {
  const int n_ranks = schedule.n_ranks();
  switch (schedule.kind) {
    case ScheduleKind::kDualPipe:
      return chunk == 0 ? rank : n_ranks - 1 - rank;
    case ScheduleKind::kDualPipeV:
      return chunk == 0 ? rank : 2 * n_ranks - 1 - rank;
    default:
      return chunk * n_ranks + rank;
  }
}

int position_of(const Schedule& schedule, int rank, int chunk) {
  return stage_of(schedule, rank, chunk);
}

StagePlace place_of(const Schedule& schedule, int micro_batch, int position) {
  const int n_ranks = schedule.n_ranks();
  switch (schedule.kind) {
    case ScheduleKind::kDualPipe:
      if (runs_backwards(schedule, micro_batch)) return {n_ranks - 1 - position, 1};
      return {position, 0};
    case ScheduleKind::kDualPipeV:
      if (position >= n_ranks) return {2 * n_ranks - 1 - position, 1};
      return {position, 0};
    default:
      return {position % n_ranks, position / n_ranks};
  }
}

std::string broken_rule(const Schedule& schedule) {
  for (const RankSchedule& rank : schedule.ranks) {
    std::string rule = broken_rank_rule(schedule, rank);
    if (!rule.empty()) return rule;
  }
  return Walk(schedule).finishes() ? "" : "ranks wait for each other for ever";
}

int most_live(const RankSchedule& schedule) {
  int live = 0, most = 0;
  for (const ScheduleOp& op : schedule) {
    if (op.kind == PhaseKind::kForward) most = std::max(most, ++live);
    if (op.kind == PhaseKind::kBackward || op.kind == PhaseKind::kBackwardWeight) --live;
  }
  return most;
}

const char* to_string(ScheduleKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<ScheduleKind> schedule_kind(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<ScheduleKind>(i);
  }
  return std::nullopt;
}

std::string to_text(const RankSchedule& schedule) {
  constexpr std::array<const char*, 4> kLetters = {"F", "B", "b", "W"};
  std::string text;
  bool is_open = false;
  for (const ScheduleOp& op : schedule) {
    if (!is_open && !text.empty()) text += ' ';
    if (op.overlaps_next) text += '[';
    text += kLetters[static_cast<std::size_t>(op.kind)];
    if (op.kind != PhaseKind::kBackwardWeight) text += std::to_string(op.stage);
    text += op.overlaps_next ? "&" : is_open ? "]" : "";
    is_open = op.overlaps_next;
  }
  return text;
}

}  // namespace farthing
