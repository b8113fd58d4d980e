// receipt.h - what a run cost and what it bought: as a value, as JSON, as text.
//
// Works for a finished, an unfinished and a crashed run alike: it is a view of events.jsonl through
// a price book, and the same events may be priced again later through another.
#pragma once
#include <limits>
#include <string>

#include "base/json.h"
#include "ledger/ledger.h"
#include "report/table.h"

namespace farthing {

// What was planned beside what happened; 0: not stated.
struct PlanAndActual {
  double planned_step_seconds = 0, step_seconds = 0;  // median of the steps
  double planned_memory_bytes = 0, memory_bytes = 0;  // most, mapped files aside
  double planned_joules = 0, joules = 0;              // of all steps; of the run
  bool joules_estimated = false;
  bool is_known() const { return planned_step_seconds > 0 && step_seconds > 0; }
};

// The first of these is what the events say of the run; the rest is the reader's choice.
struct ReportInput {
  std::string name;  // of the run
  RunRecipe run;     // project, purpose, phase
  RunHistory history;
  PriceBook book;
  std::string against = "steps";  // steps, tokens, seconds or usd: the charts' first axis
  // Instead of what run_start says: the plan that the run is set beside.
  PlanAndActual planned = {};
};

// A named source of the data: what was trained on of it, and how well it is predicted.
struct SourceLine {
  std::string name;
  double tokens = 0;                                                // 0: not stated
  double bits_per_byte = std::numeric_limits<double>::quiet_NaN();  // held out
};

struct Receipt {
  std::string name;
  std::string state;  // "finished", another reason, or "no end recorded (running or killed)"
  RunRecipe run;
  RunStart start;
  Ledger ledger;
  PriceBook book;
  Cost cost;
  SecondsByCategory usd;  // the cost, shared out by core-seconds
  double usd_per_million_tokens = 0;
  double farthings = 0;
  double final_loss = std::numeric_limits<double>::quiet_NaN();
  double val_bits_per_byte = std::numeric_limits<double>::quiet_NaN();
  double tokens_per_second = 0;  // over the whole wall time
  double share_of_peak = 0;      // model FLOPs over measured FP32 peak, while computing; 0: unknown
  std::vector<SourceLine> sources;  // where there are several
  std::string weights_hash;
  PlanAndActual beside_plan;
  double begun_unix = 0, ended_unix = 0;  // first event of the first attempt, last of the last
};

Receipt make_receipt(const ReportInput& input);

// receipt.json: steps, tokens, model_flops, seconds{}, joules, usd{}, final_loss,
// val_bits_per_byte, weights_hash, and more; and the keys of docs/receipt.schema.json, which
// anyone's receipt has.  What is not known is null, or "not stated" in those.
Json to_json(const Receipt& receipt);

// At most 100 columns; the last sentence gives the price per million tokens and the total in
// farthings.
std::string to_text(const Receipt& receipt);

// The parts of it, for other pages.  "waiting for data", "done twice" ...
const char* describe(Category category);
// Time, share and money of every category, and their total.
Table spending_table(const Receipt& receipt);
// Tokens, share and held-out bits per byte of every source; no rows for a single one.
Table sources_table(const Receipt& receipt);
// Planned, measured and their difference; no rows where nothing was planned.
// What a reader must know of a run that was not trained here; empty for one that was.
std::string origin_words(const Receipt& receipt);
Table plan_and_actual_table(const Receipt& receipt);
std::string price_words(const Receipt& receipt);
std::string electricity_words(const Receipt& receipt);
std::string farthings_text(const Receipt& receipt);  // "1.93"; "unknown" without a price
std::string farthings_words(const Receipt& receipt);

}  // namespace farthing
