// schedule.h - what a rank does in a step, as data: the trainer executes it, the simulator times
// it.
//
// A RankSchedule is the list of one rank; a Schedule holds those of all ranks of a pipeline.
// Micro-batches are numbered over the whole step, so that each number appears once per stage.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

enum class PhaseKind {
  kForward,         // F
  kBackward,        // B: input and weight part, layer by layer
  kBackwardInput,   // b: the weight part waits
  kBackwardWeight,  // W: the oldest waiting weight part
};

struct ScheduleOp {
  PhaseKind kind = PhaseKind::kForward;
  int micro_batch = 0;
  int stage = 0;  // model chunk of this rank
  // An F that runs at once with the B after it, each hiding the other's communication.  Who cannot
  // overlap runs the two in turn.
  bool overlaps_next = false;
  bool operator==(const ScheduleOp&) const = default;
};

// Operations of one rank, in order.
using RankSchedule = std::vector<ScheduleOp>;

// One rank: F and B of every micro-batch in turn; one live micro-batch.
RankSchedule single_rank_schedule(int n_micro_batches);
// The same work with every W delayed to the end, FIFO; all micro-batches live (for tests).
RankSchedule single_rank_schedule_delayed(int n_micro_batches);

// Of P ranks and M micro-batches.  With F, B, W the seconds of a rank's forward, whole backward and
// its weight part for one micro-batch, b = B - W, F&B those of an overlapped pair, v chunks per
// rank, the bubble (step seconds less a rank's work) and the micro-batches alive at once are
//
//   GPipe             (P-1)(F+B)               M       all F, then all B
//   1F1B              (P-1)(F+B)               P - r
//   interleaved       (P-1)(F+B)/v             chunks: min(2(P-r-1) + (v-1)P + 1, Mv);  P divides M
//   ZB1P              (P-1)(F+B-2W)            P       where F = b = W
//   DualPipe          (P/2-1)(F&B+B-3W)        P+1     P even, M even, M >= 2P; two copies of
//   weights DualPipeV         (P-1)(F&B+B-3W)          2P+1 of half a stage; M >= 2P; the same on
//   half the ranks
//
// Source   GPipe arXiv:1811.06965; 1F1B and interleaved arXiv:2104.04473; ZB-H1 arXiv:2401.10241;
//          DualPipe arXiv:2412.19437 and the repository of that name, also for DualPipeV.
enum class ScheduleKind { kGpipe, kOneFOneB, kInterleaved, kZb1p, kDualPipe, kDualPipeV };

struct Schedule {
  ScheduleKind kind = ScheduleKind::kOneFOneB;
  int n_micro_batches = 1;
  int n_chunks = 1;  // model chunks per rank
  std::vector<RankSchedule> ranks;

  int n_ranks() const { return static_cast<int>(ranks.size()); }
  // Stages that a micro-batch passes: ranks times chunks, but ranks alone in DualPipe, whose second
  // chunk is the same model from the other end.
  int n_stages() const;
};

// Where a stage of a micro-batch's way lies.
struct StagePlace {
  int rank = 0;
  int chunk = 0;
  bool operator==(const StagePlace&) const = default;
};
// `position` counts along the way of that micro-batch, 0 at its embedding.
StagePlace place_of(const Schedule& schedule, int micro_batch, int position);
// The inverse.
int position_of(const Schedule& schedule, int rank, int chunk);
// The pipeline stage whose weights this chunk holds; in DualPipe two ranks hold each.
int stage_of(const Schedule& schedule, int rank, int chunk);

// Errors: Error{kBadInput} for a shape that the schedule does not have, saying which would do.
// n_chunks is read by kInterleaved alone.  Cost O(P M v).
Schedule make_schedule(ScheduleKind kind, int n_ranks, int n_micro_batches, int n_chunks = 1);
// Why make_schedule would refuse, "" if it would not.
std::string why_not(ScheduleKind kind, int n_ranks, int n_micro_batches, int n_chunks = 1);

// The first rule that a schedule breaks, "" if none: every micro-batch passes every stage of its
// way once; F before B before W on each; W in the order of the b; an overlapping F followed by a B;
// no rank waits for ever.
std::string broken_rule(const Schedule& schedule);
// Forwards less completed backwards (W included) of a rank at the worst moment, counted in chunks.
int most_live(const RankSchedule& schedule);

// "gpipe", "1f1b", "interleaved", "zb1p", "dualpipe", "dualpipev"
const char* to_string(ScheduleKind kind);
std::optional<ScheduleKind> schedule_kind(std::string_view name);
// "F0 F0 F1 b1 W F1 [F0&B1]": an operation and its chunk, as papers print them.
std::string to_text(const RankSchedule& schedule);

}  // namespace farthing
