// load_model.cpp - find what a MODEL argument means, and load it.
#include "cli/load_model.h"

#include <filesystem>

#include "base/error.h"
#include "base/log.h"
#include "train/checkpoint.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

bool is_checkpoint(const fs::path& folder) {
  return file_exists(folder / "manifest.json") && file_exists(folder / "master.safetensors");
}

bool is_hf_model(const fs::path& folder) { return file_exists(folder / "config.json"); }

// The nearest folder above that holds a recipe.toml, for RUN/model and RUN/checkpoints/step-N.
std::string run_above(const fs::path& folder) {
  fs::path above = fs::absolute(folder).lexically_normal();
  if (!above.has_filename()) above = above.parent_path();  // "runs/x/model/"
  for (int level = 0; level < 2; ++level) {
    above = above.parent_path();
    if (file_exists(above / "recipe.toml")) return above.string();
  }
  return "";
}

ModelPlace place_of(const fs::path& folder, bool checkpoint, const std::string& run) {
  ModelPlace place = {folder.string(), checkpoint, run, ""};
  for (const fs::path& beside : {folder, fs::path(run)}) {
    if (beside.empty() || !file_exists(beside / "tokenizer.json")) continue;
    place.tokenizer = (beside / "tokenizer.json").string();
    break;
  }
  return place;
}

ModelPlace newest_of_run(const fs::path& run) {
  const auto newest = newest_intact_checkpoint(
      (run / "checkpoints").string(), [](const CheckpointEntry& entry, const std::string& fault) {
        log_line(entry.path + " is damaged (" + fault + "); using the one before it");
      });
  if (!newest) {
    throw_bad_input({run.string(), "a run without a model yet", "no intact checkpoint", "one",
                     "train it further"});
  }
  log_line("using " + newest->path + ", as the run has no model/ yet");
  return place_of(newest->path, true, run.string());
}

LoadedModel load_checkpointed(const std::string& folder) {
  if (const std::string fault = checkpoint_fault(folder); !fault.empty()) {
    throw Error(ErrorCode::kBadInput, fault);
  }
  LoadedModel model;
  model.config = read_checkpoint_manifest(folder).model;
  model.table = std::make_unique<ParameterTable>(model.config);
  model.arena = std::make_unique<Arena>(model.table->store_elements() *
                                        static_cast<std::int64_t>(sizeof(float)));
  model.weights = ParameterStore<float>(*model.arena, *model.table);
  load_checkpoint(folder, model.weights, nullptr);
  return model;
}

}  // namespace

ModelPlace find_model(const std::string& name) {
  fs::path folder = name;
  if (!fs::exists(folder) && name.find('/') == std::string::npos) folder = fs::path("runs") / name;
  if (!fs::exists(folder)) {
    throw_bad_input({name, "no such model", "",
                     "a run folder, a checkpoint, a Hugging Face directory",
                     "or the name of a run under runs/"});
  }
  if (is_checkpoint(folder)) return place_of(folder, true, run_above(folder));
  if (is_hf_model(folder)) return place_of(folder, false, run_above(folder));
  if (is_hf_model(folder / "model")) return place_of(folder / "model", false, folder.string());
  if (fs::is_directory(folder / "checkpoints")) return newest_of_run(folder);
  throw_bad_input(
      {folder.string(), "not a model",
       fs::is_directory(folder) ? "a folder without config.json, model/ or checkpoints/" : "a file",
       "a run folder, a checkpoint or a Hugging Face directory", ""});
}

LoadedModel load_model(const ModelPlace& place) {
  LoadedModel model =
      place.is_checkpoint ? load_checkpointed(place.folder) : load_hf_model(place.folder);
  for (const std::string& note : model.notes) log_line(place.folder + ": " + note);
  return model;
}

Tokenizer load_tokenizer_of(const ModelPlace& place, const ModelConfig& config) {
  if (place.tokenizer.empty()) {
    throw_bad_input({place.folder, "no tokenizer.json", "", "one beside the weights",
                     "without it only token ids can be read"});
  }
  Tokenizer tokenizer = Tokenizer::load(place.tokenizer);
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw_bad_input({place.tokenizer, "tokens", std::to_string(tokenizer.vocab_size()),
                     "at most " + std::to_string(config.vocab_size) + ", the model's vocab_size",
                     "it belongs to another model"});
  }
  return tokenizer;
}

std::optional<Recipe> recipe_of(const ModelPlace& place) {
  if (place.run.empty() || !file_exists(place.run + "/recipe.toml")) return std::nullopt;
  return load_recipe(place.run + "/recipe.toml");
}

}  // namespace farthing
