// pipeline_schedule.cpp - the schedules of several ranks, each as its paper states it.
#include <algorithm>
#include <deque>

#include "base/check.h"
#include "base/error.h"
#include "parallel/schedule.h"

namespace farthing {
namespace {

// Appends operations of one rank; micro-batches of a chunk are taken in order, W from a queue.
class RankBuilder {
 public:
  // Chunk c begins with micro-batch first[c].
  explicit RankBuilder(std::vector<int> first) : forward_(first), backward_(std::move(first)) {}

  void forward(int chunk, bool overlaps_next = false) {
    ops_.push_back({PhaseKind::kForward, next(forward_, chunk), chunk, overlaps_next});
  }
  void backward(int chunk, bool splits = false) {
    const int micro_batch = next(backward_, chunk);
    ops_.push_back({splits ? PhaseKind::kBackwardInput : PhaseKind::kBackward, micro_batch, chunk});
    if (splits) waiting_.push_back({PhaseKind::kBackwardWeight, micro_batch, chunk});
  }
  void weight() {
    CHECK(!waiting_.empty());
    ops_.push_back(waiting_.front());
    waiting_.pop_front();
  }
  void pair(int forward_chunk, int backward_chunk) {
    forward(forward_chunk, true);
    backward(backward_chunk);
  }
  RankSchedule take() { return std::move(ops_); }

 private:
  static int next(std::vector<int>& of_chunk, int chunk) {
    return of_chunk[static_cast<std::size_t>(chunk)]++;
  }
  RankSchedule ops_;
  std::vector<int> forward_, backward_;
  std::deque<ScheduleOp> waiting_;
};

template <class Action>
void repeat(int times, Action&& action) {
  for (int i = 0; i < times; ++i) action(i);
}

RankSchedule gpipe_rank(int n_micro_batches) {
  RankBuilder rank({0});
  repeat(n_micro_batches, [&](int) { rank.forward(0); });
  repeat(n_micro_batches, [&](int) { rank.backward(0); });
  return rank.take();
}

RankSchedule one_f_one_b_rank(int r, int n_ranks, int n_micro_batches) {
  const int warm_up = std::min(n_ranks - 1 - r, n_micro_batches);
  RankBuilder rank({0});
  repeat(warm_up, [&](int) { rank.forward(0); });
  repeat(n_micro_batches - warm_up, [&](int) {
    rank.forward(0);
    rank.backward(0);
  });
  repeat(warm_up, [&](int) { rank.backward(0); });
  return rank.take();
}

RankSchedule zb1p_rank(int r, int n_ranks, int n_micro_batches) {
  const int warm_up = std::min(n_ranks - r, n_micro_batches);
  int forwards_left = n_micro_batches - warm_up, weights_left = n_micro_batches;
  RankBuilder rank({0});
  repeat(warm_up, [&](int) { rank.forward(0); });
  repeat(n_micro_batches, [&](int k) {
    rank.backward(0, true);
    if (k >= r) {
      rank.weight();
      --weights_left;
    }
    if (forwards_left > 0) {
      rank.forward(0);
      --forwards_left;
    }
  });
  repeat(weights_left, [&](int) { rank.weight(); });
  return rank.take();
}

// Forwards go P micro-batches through chunk 0, the same P through chunk 1, and so on; backwards the
// same with chunks reversed.
RankSchedule interleaved_rank(int r, int n_ranks, int n_micro_batches, int n_chunks) {
  const int total = n_micro_batches * n_chunks, per_round = n_ranks * n_chunks;
  const auto op = [&](PhaseKind kind, int k) {
    const int chunk = k % per_round / n_ranks;
    const int micro_batch = k / per_round * n_ranks + k % n_ranks;
    return ScheduleOp{kind, micro_batch,
                      kind == PhaseKind::kForward ? chunk : n_chunks - 1 - chunk};
  };
  const int warm_up = std::min(2 * (n_ranks - r - 1) + (n_chunks - 1) * n_ranks, total);
  RankSchedule ops;
  repeat(warm_up, [&](int k) { ops.push_back(op(PhaseKind::kForward, k)); });
  repeat(total - warm_up, [&](int k) {
    ops.push_back(op(PhaseKind::kForward, warm_up + k));
    ops.push_back(op(PhaseKind::kBackward, k));
  });
  repeat(warm_up, [&](int k) { ops.push_back(op(PhaseKind::kBackward, total - warm_up + k)); });
  return ops;
}

// The eight steps of DualPipe.  `h` is the distance from the nearer end, `half` the number of ranks
// from an end to the middle, `a` the chunk of phase 0 and `b` that of phase 1, `rounds` the count
// of step 4, `is_mid` whether the rank has no one to overlap its first pair with.
struct DualSteps {
  int h, half, a, b, rounds;
  bool is_mid;
};

RankSchedule dual_rank(RankBuilder rank, const DualSteps& s) {
  // 1. Forwards of the near direction.
  repeat(2 * (s.half - s.h - 1), [&](int) { rank.forward(s.a); });
  // 2. Forwards of both.
  repeat(s.h + 1, [&](int) {
    rank.forward(s.a);
    rank.forward(s.b);
  });
  // 3. The far direction's backwards begin; W fills what would be a bubble.
  repeat(s.half - s.h - 1, [&](int) {
    rank.backward(s.b, true);
    rank.weight();
    rank.forward(s.b);
  });
  // 4. Overlapped pairs.
  repeat(s.rounds, [&](int i) {
    if (i == 0 && s.is_mid) {
      rank.forward(s.a);
      rank.backward(s.b);
    } else {
      rank.pair(s.a, s.b);
    }
    rank.pair(s.b, s.a);
  });
  // 5. Forwards of the far direction run out.
  repeat(s.half - s.h - 1, [&](int) {
    rank.backward(s.b);
    rank.pair(s.b, s.a);
  });
  // 6. Backwards of both; the second half leaves its W for later.
  bool splits = false;
  repeat(s.h + 1, [&](int i) {
    const bool now = i == (s.h + 1) / 2;
    if (now && s.h % 2 == 1) splits = true;
    rank.backward(s.b, splits);
    if (now && s.h % 2 == 0) splits = true;
    rank.backward(s.a, splits);
  });
  // 7. The last backwards of the near direction.
  repeat(s.half - s.h - 1, [&](int) {
    rank.weight();
    rank.backward(s.a, true);
  });
  // 8. What is left of W.
  repeat(s.h + 1, [&](int) { rank.weight(); });
  return rank.take();
}

RankSchedule dual_pipe_rank(int r, int n_ranks, int n_micro_batches) {
  const int h = std::min(r, n_ranks - 1 - r), half = n_ranks / 2, each = n_micro_batches / 2;
  const bool is_near_start = r < half;  // chunk 0 is the direction that enters at rank 0
  return dual_rank(RankBuilder({0, each}), {.h = h,
                                            .half = half,
                                            .a = is_near_start ? 0 : 1,
                                            .b = is_near_start ? 1 : 0,
                                            .rounds = each - n_ranks + h + 1,
                                            .is_mid = r == half - 1 || r == half});
}

RankSchedule dual_pipe_v_rank(int r, int n_ranks, int n_micro_batches) {
  return dual_rank(RankBuilder({0, 0}), {.h = r,
                                         .half = n_ranks,
                                         .a = 0,
                                         .b = 1,
                                         .rounds = n_micro_batches - 2 * n_ranks + r + 1,
                                         .is_mid = r == n_ranks - 1});
}

RankSchedule make_rank(const Schedule& schedule, int r, int n_ranks) {
  const int n = schedule.n_micro_batches;
  switch (schedule.kind) {
    case ScheduleKind::kGpipe:
      return gpipe_rank(n);
    case ScheduleKind::kOneFOneB:
      return one_f_one_b_rank(r, n_ranks, n);
    case ScheduleKind::kInterleaved:
      return interleaved_rank(r, n_ranks, n, schedule.n_chunks);
    case ScheduleKind::kZb1p:
      return zb1p_rank(r, n_ranks, n);
    case ScheduleKind::kDualPipe:
      return dual_pipe_rank(r, n_ranks, n);
    case ScheduleKind::kDualPipeV:
      return dual_pipe_v_rank(r, n_ranks, n);
  }
  CHECK(false, "a schedule without a name");
  return {};
}

}  // namespace

std::string why_not(ScheduleKind kind, int n_ranks, int n_micro_batches, int n_chunks) {
  constexpr double kMostOps = 1e8;
  if (n_ranks < 1 || n_micro_batches < 1 || n_chunks < 1) return "counts must be positive";
  if (3.0 * n_ranks * n_micro_batches * n_chunks > kMostOps) {
    return "more than 100 million operations";
  }
  const auto multiple = [&](int of) { return std::to_string((n_micro_batches / of + 1) * of); };
  switch (kind) {
    case ScheduleKind::kInterleaved:
      if (n_micro_batches % n_ranks != 0) {
        return "micro-batches must be a multiple of the ranks (" + multiple(n_ranks) + ", say)";
      }
      return "";
    case ScheduleKind::kDualPipe:
      if (n_ranks % 2 != 0) return "needs an even number of ranks";
      if (n_micro_batches % 2 != 0) {
        return "needs an even number of micro-batches (" + multiple(2) + ", say)";
      }
      [[fallthrough]];
    case ScheduleKind::kDualPipeV:
      if (n_micro_batches < 2 * n_ranks) {
        return "needs at least " + std::to_string(2 * n_ranks) + " micro-batches, two per rank";
      }
      return "";
    default:
      return "";
  }
}

Schedule make_schedule(ScheduleKind kind, int n_ranks, int n_micro_batches, int n_chunks) {
  const std::string reason = why_not(kind, n_ranks, n_micro_batches, n_chunks);
  if (!reason.empty()) {
    throw_bad_input({"schedule", std::string(to_string(kind)),
                     std::to_string(n_ranks) + " ranks, " + std::to_string(n_micro_batches) +
                         " micro-batches, " + std::to_string(n_chunks) + " chunks",
                     "", reason});
  }
  Schedule schedule{.kind = kind, .n_micro_batches = n_micro_batches, .n_chunks = 1, .ranks = {}};
  if (kind == ScheduleKind::kInterleaved) schedule.n_chunks = n_chunks;
  if (kind == ScheduleKind::kDualPipe || kind == ScheduleKind::kDualPipeV) schedule.n_chunks = 2;
  for (int r = 0; r < n_ranks; ++r) schedule.ranks.push_back(make_rank(schedule, r, n_ranks));
  return schedule;
}

}  // namespace farthing
