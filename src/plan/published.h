// published.h - published training runs as rows of a CSV file, and the model's error on them.
//
//   auto rows = read_published(text, "validation.csv");
//   BenchResult result = bench_plan(rows, {});
//
// Columns are named by the first line, unknown ones are ignored: id, model, arch, params_b, layers,
// hidden, heads, kv_heads, ffn, experts, topk, expert_ffn, shared_experts, vocab, hardware, gpus,
// precision, seq_len, gbs_seqs, mbs, tp, pp, vp, cp, ep, etp, fsdp, recompute, schedule, source,
// other; and what was measured: tokens_per_s_gpu, or step_time_s, or a stated FLOP/s rate
// with its convention, or MFU.  No prediction reads a measured column.
//
// What a row does not say is filled by rules that know no row: the software's year from the source
// (arXiv number, release), no recompute stated before 2023 means full recompute, forced balance in
// vendors' benchmarks.  A row without a layout is planned: the best that is found.
//
// Errors   Error{kBadInput} for a file without the columns; rows that say too little are skipped
//          and counted with their reason.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "plan/step_time.h"

namespace farthing {

using PublishedRow = std::map<std::string, std::string>;

std::vector<PublishedRow> read_published(const std::string& text, const std::string& where);

// What is predicted from; `skipped` says why nothing can be.
struct PublishedRun {
  std::string id, group, family;  // group: id up to the last dash; family: group, model, hardware
  bool is_complete = false;       // states layout, micro-batch, precision and recompute
  bool has_layout = false;
  bool is_held_out = false;          // DeepSeek-V3 on H800
  double measured = 0;               // tokens per second per device
  double measured_memory_bytes = 0;  // 0: not stated
  StepTimeRequest request;
  std::string skipped;
};
PublishedRun to_run(const PublishedRow& row);

// tokens per second per device; searches when the run has no layout.
double predict(const PublishedRun& run, const Constants& constants);

struct BenchRow {
  std::string id, group, family;
  std::string configuration;  // layout, batch, precision; not the software's release
  bool is_complete = false;
  double memory_bytes = 0;                        // of the fullest device
  double measured_memory_bytes = 0;               // 0: not stated
  double predicted = 0, measured = 0, error = 0;  // predicted / measured - 1
  double baseline = 0;                            // constant MFU
};

// Two releases of one vendor's software differ by so much on the same configuration (median).
inline constexpr double kReleaseNoise = 0.06;

struct GroupBias {
  std::string group;
  int n_rows = 0;
  double median_error = 0, median_abs_error = 0;
};

struct ErrorSummary {
  int n_rows = 0;
  double median_abs = 0, p90_abs = 0;
};

struct BenchResult {
  std::vector<BenchRow> rows;
  std::map<std::string, int> skipped;  // reason -> rows
  ErrorSummary all, complete, baseline, memory;
  double rank_correlation = 0;  // Spearman, every row
  // Within one model on one device of one group, repeats of a configuration joined to their median:
  // mean over the families of five configurations or more, weighted by their size.
  double configuration_rank_correlation = 0;
  int n_configurations = 0;  // in them
  // What a perfect model would reach there if every measurement had kReleaseNoise.
  double rank_ceiling = 0;
  double baseline_mfu = 0;
  std::vector<GroupBias> groups;
};

// `constants` changes the common ones; each row's device keeps its own sheet.
BenchResult bench_plan(const std::vector<PublishedRun>& runs, const Constants& constants);
ErrorSummary summarise(std::vector<double> errors);

}  // namespace farthing
