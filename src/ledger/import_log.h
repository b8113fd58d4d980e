// import_log.h - step times and losses of a run made elsewhere, as the events of a run folder.
//
//   megatron    " iteration  10/ 500 | consumed samples: 5120 | elapsed time per iteration (ms):
//   812.4
//                 | learning rate: 1.5E-04 | global batch size: 512 | lm loss: 9.1E+00 | grad
//                 norm: 1.2 |"
//   torchtitan  "step: 10  loss: 7.21  grad_norm: 1.3  memory: 40GiB  tps: 5,432  tflops: ...",
//   colours or not;
//               tps are tokens per second and device
//   csv         a header that names step and seconds (or ms) and, where known, loss, tokens,
//               learning_rate, grad_norm
//
// csv columns (any order, capitals and blanks ignored; the first name that is there):
//   step | iteration | iter | _step
//   seconds | step_seconds | step_time_s | step_time | time_s, or ms | step_ms | step_time_ms:
//     of ONE step, not since the start
//   tokens | step_tokens | tokens_per_step: of ONE step, not in all
//   loss | lm_loss | train_loss, learning_rate | lr, grad_norm
//
// A line that is none of these is skipped and counted; of a CSV its number is kept, since every row
// there should be a step.  Of a CSV a cell that is no number, seconds or tokens that are not above
// 0, and a row with other cells than the header are errors, an empty cell is not known; elsewhere a
// value that is no number counts as not in the log.  A log that prints every tenth step gives one
// `step` event for ten (key `steps`).  A step number that falls is a new attempt that resumed
// there. What the log does not say is estimated and named in the event's `estimated`: seconds by
// the median of the log, tokens by --tokens-per-step.
//
// Errors   Error{kBadInput}: no step at all; a CSV without the columns, its damaged rows; a step
//          number past 10^12.
//          Hostile text is at worst skipped; numbers that are not finite become null.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/history.h"

namespace farthing {

// The `device` of an imported run whose hardware nobody named.
inline constexpr const char* kDeviceNotStated = "not stated";
inline constexpr std::size_t kMostNamedRows = 8;

enum class LogFormat { kMegatron, kTorchtitan, kCsv };

struct ImportedStep {
  std::int64_t step = 0;
  double seconds = 0;        // of one step; 0: not in the log
  double loss = 0;           // NaN: not in the log, or not finite
  double learning_rate = 0;  // NaN likewise
  double grad_norm = 0;
  double tokens = 0;                        // of one step; 0: not in the log
  double tokens_per_second_per_device = 0;  // torchtitan's, in place of seconds
  double sequences = 0;                     // megatron's global batch size
};

struct ImportedLog {
  std::vector<ImportedStep> steps;
  std::int64_t skipped_lines = 0;
  std::vector<std::int64_t> skipped_rows;  // of a CSV: the first kMostNamedRows, by line number
};

// What the log does not know.  Zero and empty: not stated.
struct ImportContext {
  std::string model, cluster, source;
  std::string device;  // empty: not stated, and then no receipt has a price for it
  int n_devices = 1;
  double sequence_length = 0;
  double tokens_per_step = 0;
  double parameters = 0, active_parameters = 0, model_flops_per_token = 0;
  double begun_unix = 0;
  RunSite site;
};

// What a reader must know of a log that was read.
struct ImportNotes {
  std::int64_t without_seconds = 0;  // steps that got the median
  std::int64_t without_tokens = 0, without_loss = 0;
  std::int64_t steps_in_gaps = 0;  // beyond the log's usual stride: times and tokens estimated
  std::int64_t goes_back = 0;      // a step number that does not rise: work done twice
};
ImportNotes notes_of(const ImportedLog& log, const ImportContext& context);

ImportedLog parse_log(std::string_view text, const std::string& where, LogFormat format);
// Lines of events.jsonl.
std::string to_events(const ImportedLog& log, const ImportContext& context);

}  // namespace farthing
