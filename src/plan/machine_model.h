// machine_model.h - a training step of this machine, predicted from steps that doctor measured.
//
//   seconds = sum over parts of work_part * rate_part        rates >= 0, seconds per unit of work
//
//   products    FLOPs of matrix products, forward and backward     1 / FLOP/s inside a product
//   surface     bytes of their operands and results                packing, edges of tiles
//   core        FLOPs of the causal attention core
//   passes      bytes of activations that norms, rotations, SwiGLU, softmax, permutes pass over
//   parameters  parameters updated and packed, once a step
//   blocks      blocks x micro-batches: starting and joining the threads
//
// `farthing doctor --steps` measures steps of probe models, none of them a preset; the rates are
// the least squares of the relative error, not negative; `width` is 1.28 times the root mean square
// error of each probe predicted from the others.  The file is TOML, one [[rates]] for a precision;
// it is all that the planner knows of the machine, so that no kernel is linked to it.
//
// A calibration file has ratios measured / predicted of one real run, which multiply what is
// predicted.
//
// Errors   Error{kBadInput} for a damaged file, a precision without rates, fewer probes than parts.
// Cost     microseconds; fit_machine about 10 ms.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "config/model_config.h"
#include "config/recipe.h"
#include "report/table.h"

namespace farthing {

inline constexpr int kMachineParts = 6;
using MachineWork = std::array<double, kMachineParts>;

// Of one step of `tokens` tokens in micro-batches of `micro_batch` sequences.
MachineWork machine_work(const ModelConfig& model, int sequence_length, int tokens,
                         int micro_batch);

struct MachineSample {
  std::string name;
  MachineWork work{};
  double seconds = 0;
};

struct MachineRates {
  std::string precision;  // fp32, bf16, fp16, fp8
  MachineWork seconds_per_unit{};
  double width = 0;  // half of P10 to P90, a share
  int n_probes = 0;
};
MachineRates fit_machine(const std::string& precision, const std::vector<MachineSample>& samples);
double step_seconds(const MachineRates& rates, const MachineWork& work);

// Raised when the probes change, or the work that is counted: rates of others would mispredict.
inline constexpr int kMachineProbes = 2;

// What doctor found.
struct MachineFacts {
  std::string cpu, isa, measured_on;  // YYYY-MM-DD
  int threads = 1;
  double memory_bytes = 0;
  double fp32_peak_flops = 0;
  double watts_per_core = 0;
  bool energy_measured = false;  // a meter was there; watts_per_core is an estimate all the same
  double program_bytes = 0;      // resident before any model
  std::string auto_precision;    // what precision.matmul = "auto" takes
  std::vector<MachineRates> rates;

  // Errors: Error{kBadInput} naming the precisions that there are.
  const MachineRates& rates_of(const std::string& precision) const;
};
// $XDG_CACHE_HOME/farthing/here.toml or ~/.cache/farthing/here.toml; "" without either.
std::string here_path();
std::string to_toml(const MachineFacts& facts);
// Errors: Error{kBadInput} for a fault, or for rates of other probes than kMachineProbes.
MachineFacts parse_machine(const std::string& toml, const std::string& where);
// Of here_path(), or of `path`.  Errors: as above; a missing file says how to make one.
MachineFacts load_machine(const std::string& path = "");

// Measured over predicted.
struct MachineCalibration {
  std::string run, measured_on;
  double step_seconds = 1, memory_bytes = 1, joules = 1;
};
std::string to_toml(const MachineCalibration& calibration);
MachineCalibration load_calibration(const std::string& path);

struct MachinePlan {
  std::string model;
  MachineFacts facts;
  std::string precision;
  int sequence_length = 0, micro_batch = 0, batch_tokens = 0;
  double parameters = 0, active_parameters = 0;
  double model_flops_per_token = 0;
  MachineWork part_seconds{};
  double step_seconds = 0, low_seconds = 0, high_seconds = 0;  // P10, P90
  double tokens_per_second = 0;
  double share_of_fp32_peak = 0;
  double tokens = 0, n_steps = 0, hours = 0;
  double deadline_seconds = 0;                                              // 0: none
  bool meets_deadline() const { return hours * 3600 <= deadline_seconds; }  // at the median
  double joules = 0, joules_per_step = 0;
  double memory_bytes = 0;  // 0: not stated
  std::vector<std::pair<std::string, double>> memory_parts;
  std::optional<MachineCalibration> calibration;
};

struct MachineQuestion {
  Recipe recipe;      // micro-batch settled
  double tokens = 0;  // of the run; 0: 20 per active parameter
  double deadline_seconds = 0;
  std::vector<std::pair<std::string, double>> memory_parts;  // empty: not stated
  std::optional<MachineCalibration> calibration;
};
MachinePlan plan_machine(const MachineFacts& facts, const MachineQuestion& question);

Json to_json(const MachinePlan& plan);
std::string to_text(const MachinePlan& plan);
// Of the text and the page: the machine, the run, where a step's time goes, memory if it is known.
std::string machine_words(const MachinePlan& plan);
std::vector<Table> machine_tables(const MachinePlan& plan);

}  // namespace farthing
