// finish_run.h - what a run leaves behind besides its weights: the model's folder, the receipt.
#pragma once
#include "config/recipe.h"
#include "ledger/price_book.h"
#include "ledger/run_folder.h"
#include "model/parameters.h"
#include "train/run.h"

namespace farthing {

// RUN/model: a Hugging Face directory with the run's tokenizer and a card that names its cost.
void export_model(const RunPaths& paths, const Recipe& recipe, const PriceBook& book,
                  const ModelConfig& config, const ParameterStore<float>& weights);

// A line in the project's ledger, which outlives the run's folder.
void note_state(const RunPaths& paths, const Recipe& recipe, const PriceBook& book,
                const std::string& state);

// The receipt so far and a line in the project's ledger, for every attempt that ended; nothing
// for a run that had finished before and has its receipt.
void settle_run(const RunPaths& paths, const Recipe& recipe, const PriceBook& book,
                const RunOutcome& outcome);

}  // namespace farthing
