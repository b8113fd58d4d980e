// hf_load.cpp - from a Hugging Face directory to a parameter store, every tensor accounted for.
#include <fmt/core.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "model/hf_model.h"
#include "model/safetensors_header.h"

namespace farthing {
namespace {

// The N of "model.layers.N.rest".
std::optional<int> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int layer = 0;
  const char* first = name.data() + kPrefix.size();
  const auto [end, fault] = std::from_chars(first, name.data() + name.size(), layer);
  if (fault != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return layer;
}

bool has_layer(const SafetensorsReader& reader, int layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const auto first = reader.tensors().lower_bound(prefix);
  return first != reader.tensors().end() && first->first.starts_with(prefix);
}

// MTP layers that the files hold, one after another from the first.
int count_mtp_layers(const SafetensorsReader& reader, const ModelConfig& config) {
  int depth = 0;
  while (depth < config.num_nextn_predict_layers &&
         has_layer(reader, config.num_hidden_layers + depth)) {
    ++depth;
  }
  return depth;
}

// "a, b, c and 4 more"
std::string list_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

// What the files hold, beside what the table wants.
struct Inventory {
  std::vector<std::string> missing, unexpected, misshapen;
  int n_beyond = 0;        // tensors of layers that config.json does not have
  bool tied_head = false;  // an lm_head that tie_word_embeddings makes superfluous
};

enum class Extra { kKnown, kBeyond, kTiedHead, kUnexpected };

// Why a tensor that the table does not have may stand in the file.
Extra classify(const std::string& name, const SafetensorsReader& reader,
               const ModelConfig& config) {
  constexpr std::string_view kScale = "_scale_inv";
  if (name.ends_with(kScale)) {
    const TensorView* scaled = reader.find(name.substr(0, name.size() - kScale.size()));
    if (scaled && scaled->dtype == Dtype::kF8E4M3) return Extra::kKnown;
  }
  if (name.ends_with(".rotary_emb.inv_freq")) return Extra::kKnown;
  if (name == "lm_head.weight" && config.tie_word_embeddings) return Extra::kTiedHead;
  const std::optional<int> layer = layer_of(name);
  if (!layer || *layer < config.num_hidden_layers) return Extra::kUnexpected;
  if (*layer >= config.n_blocks()) return Extra::kBeyond;
  const bool is_copy =
      name.ends_with(".embed_tokens.weight") || name.ends_with(".shared_head.head.weight");
  return is_copy ? Extra::kKnown : Extra::kUnexpected;
}

std::vector<std::int64_t> shape_of(const Parameter& parameter) {
  if (parameter.is_vector) return {parameter.n_cols};
  return {parameter.n_rows, parameter.n_cols};
}

Inventory take_inventory(const SafetensorsReader& reader, const ModelConfig& config,
                         const ParameterTable& table) {
  Inventory inventory;
  for (const Parameter& parameter : table.entries()) {
    const TensorView* tensor = reader.find(parameter.name);
    if (!tensor) {
      inventory.missing.push_back(parameter.name);
    } else if (tensor->shape != shape_of(parameter)) {
      inventory.misshapen.push_back(parameter.name + " (found " + shape_text(tensor->shape) +
                                    ", wanted " + shape_text(shape_of(parameter)) + ")");
    }
  }
  for (const auto& [name, tensor] : reader.tensors()) {
    if (table.find(name) >= 0) continue;
    const Extra extra = classify(name, reader, config);
    if (extra == Extra::kUnexpected) inventory.unexpected.push_back(name);
    if (extra == Extra::kBeyond) ++inventory.n_beyond;
    if (extra == Extra::kTiedHead) inventory.tied_head = true;
  }
  return inventory;
}

void refuse_unless_complete(const Inventory& inventory, const std::string& where) {
  std::string faults;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    faults += fmt::format("\n  {} {}: {}", names.size(), what, list_names(names));
  };
  add("missing", inventory.missing);
  add("of another shape", inventory.misshapen);
  add("unexpected", inventory.unexpected);
  if (!faults.empty()) {
    throw Error(ErrorCode::kBadInput,
                where + ": the tensors are not those that config.json describes:" + faults);
  }
}

std::vector<std::string> notes_of(const Inventory& inventory, int depth_of_config, int depth) {
  std::vector<std::string> notes;
  if (depth < depth_of_config) {
    notes.push_back(fmt::format(
        "config.json says num_nextn_predict_layers = {}, the weights hold {}: loaded with {}",
        depth_of_config, depth, depth));
  }
  if (inventory.n_beyond > 0) {
    notes.push_back(fmt::format("{} tensors of layers that config.json does not have: left out",
                                inventory.n_beyond));
  }
  if (inventory.tied_head) {
    notes.push_back("lm_head.weight beside tie_word_embeddings = true: left out");
  }
  return notes;
}

}  // namespace

LoadedModel load_model_weights(const SafetensorsReader& reader, ModelConfig config,
                               const std::string& where) {
  const int depth_of_config = config.num_nextn_predict_layers;
  config.num_nextn_predict_layers = count_mtp_layers(reader, config);
  LoadedModel model;
  model.table = std::make_unique<ParameterTable>(config);
  const Inventory inventory = take_inventory(reader, config, *model.table);
  refuse_unless_complete(inventory, where);
  model.notes = notes_of(inventory, depth_of_config, config.num_nextn_predict_layers);
  model.config = config;
  model.arena = std::make_unique<Arena>(model.table->store_elements() *
                                        static_cast<std::int64_t>(sizeof(float)));
  model.weights = ParameterStore<float>(*model.arena, *model.table);
  for (int id = 0; id < model.table->size(); ++id) {
    reader.read_as_float(*reader.find((*model.table)[id].name), model.weights.values(id));
  }
  return model;
}

LoadedModel load_hf_model(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  const ModelConfig config = model_config_from_json(read_json(config_path), config_path);
  return load_model_weights(SafetensorsReader(folder), config, folder);
}

}  // namespace farthing
