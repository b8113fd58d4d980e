// load_model.h - MODEL on the command line: a run, a checkpoint or a Hugging Face directory.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "config/recipe.h"
#include "data/tokenizer.h"
#include "model/hf_model.h"
#include "model/model.h"

namespace farthing {

struct ModelPlace {
  std::string folder;          // what is loaded
  bool is_checkpoint = false;  // else a Hugging Face directory
  std::string run;             // the run folder it belongs to; empty: none
  std::string tokenizer;       // its tokenizer.json; empty: none
};

// `name`: a Hugging Face directory; a checkpoint; a run folder, whose model/ is taken, or its
// newest intact checkpoint where it has none yet; or the name of a run under runs/. Errors:
// Error{kBadInput} saying what was found there.
ModelPlace find_model(const std::string& name);

// Notes about what was left out go to log_line.
LoadedModel load_model(const ModelPlace& place);

// The model's tokenizer.  Errors: Error{kBadInput} when it has none, or one with more tokens than
// the model has rows.
Tokenizer load_tokenizer_of(const ModelPlace& place, const ModelConfig& config);

// The recipe of the run that the model belongs to.
std::optional<Recipe> recipe_of(const ModelPlace& place);

}  // namespace farthing
