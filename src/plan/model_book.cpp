// model_book.cpp - models/*.toml and config.json of many families read into one struct.
#include "plan/model_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "config/settings.h"
#include "config/share.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

// visit(name, field) for every integer of the shape.
template <class Shape, class Visitor>
void visit_shape_integers(Shape& shape, Visitor&& visit) {
  visit("vocab_size", shape.vocab_size);
  visit("hidden_size", shape.hidden_size);
  visit("num_hidden_layers", shape.num_hidden_layers);
  visit("num_attention_heads", shape.num_attention_heads);
  visit("num_key_value_heads", shape.num_key_value_heads);
  visit("head_dim", shape.head_dim);
  visit("q_lora_rank", shape.q_lora_rank);
  visit("kv_lora_rank", shape.kv_lora_rank);
  visit("qk_nope_head_dim", shape.qk_nope_head_dim);
  visit("qk_rope_head_dim", shape.qk_rope_head_dim);
  visit("v_head_dim", shape.v_head_dim);
  visit("sliding_window", shape.sliding_window);
  visit("sliding_window_every", shape.sliding_window_every);
  visit("index_n_heads", shape.index_n_heads);
  visit("index_head_dim", shape.index_head_dim);
  visit("index_topk", shape.index_topk);
  visit("intermediate_size", shape.intermediate_size);
  visit("n_routed_experts", shape.n_routed_experts);
  visit("num_experts_per_tok", shape.num_experts_per_tok);
  visit("moe_intermediate_size", shape.moe_intermediate_size);
  visit("shared_intermediate_size", shape.shared_intermediate_size);
  visit("first_k_dense_replace", shape.first_k_dense_replace);
  visit("moe_layer_freq", shape.moe_layer_freq);
  visit("n_group", shape.n_group);
  visit("topk_group", shape.topk_group);
  visit("num_nextn_predict_layers", shape.num_nextn_predict_layers);
  visit("max_position_embeddings", shape.max_position_embeddings);
}

// What follows from the rest when a file does not say it.
void fill_defaults(ModelShape& shape) {
  if (shape.num_key_value_heads == 0) shape.num_key_value_heads = shape.num_attention_heads;
  if (shape.head_dim == 0 && shape.num_attention_heads > 0 && !shape.is_mla()) {
    shape.head_dim = shape.hidden_size / shape.num_attention_heads;
  }
  shape.moe_layer_freq = std::max(shape.moe_layer_freq, 1);
}

void throw_faults(const ModelShape& shape, const std::string& where) {
  std::string message;
  for (const auto& fault : validate(shape)) {
    if (!message.empty()) message += '\n';
    message += fmt::format("{}: {}", where, fault);
  }
  if (!message.empty()) throw Error(ErrorCode::kBadInput, message);
}

// JSON numbers under any of several names.
class ConfigReader {
 public:
  ConfigReader(const Json& json, const std::string& where) : json_(json), where_(where) {}

  void operator()(std::initializer_list<const char*> names, int& field) const {
    for (const char* name : names) {
      const auto found = json_.find(name);
      if (found == json_.end() || found->is_null()) continue;
      if (!found->is_number()) complain(name, *found, "a number");
      const double value = found->get<double>();
      if (value != std::floor(value) || std::abs(value) > std::numeric_limits<int>::max()) {
        complain(name, *found, "an integer of 32 bits");
      }
      field = static_cast<int>(value);
      return;
    }
  }
  bool flag(const char* name, bool otherwise) const {
    const auto found = json_.find(name);
    if (found == json_.end() || found->is_null()) return otherwise;
    if (!found->is_boolean()) complain(name, *found, "true or false");
    return found->get<bool>();
  }
  std::string word(const char* name) const {
    const auto found = json_.find(name);
    return found != json_.end() && found->is_string() ? found->get<std::string>() : "";
  }

 private:
  [[noreturn]] void complain(const char* name, const Json& found, const char* wanted) const {
    throw_bad_input({where_, fmt::format("\"{}\"", name), found.dump().substr(0, 60), wanted, ""});
  }
  const Json& json_;
  const std::string& where_;
};

bool is_word(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* other) { return word == other; });
}

void read_experts(const ConfigReader& read, ModelShape& shape, const std::string& type) {
  read({"n_routed_experts", "num_experts", "num_local_experts"}, shape.n_routed_experts);
  if (!shape.is_moe()) return;
  read({"num_experts_per_tok", "experts_per_token"}, shape.num_experts_per_tok);
  shape.moe_intermediate_size = shape.intermediate_size;
  read({"moe_intermediate_size"}, shape.moe_intermediate_size);
  int n_shared = 0;
  read({"n_shared_experts", "num_shared_experts"}, n_shared);
  shape.shared_intermediate_size = n_shared * shape.moe_intermediate_size;
  read({"shared_expert_intermediate_size"}, shape.shared_intermediate_size);
  read({"first_k_dense_replace"}, shape.first_k_dense_replace);
  read({"moe_layer_freq", "decoder_sparse_step"}, shape.moe_layer_freq);
  read({"n_group"}, shape.n_group);
  read({"topk_group"}, shape.topk_group);
  if (type == "deepseek_v2" && shape.n_group == 0) shape.n_group = shape.topk_group = 1;
}

void read_attention(const ConfigReader& read, ModelShape& shape, const std::string& type) {
  read({"num_attention_heads", "n_head", "n_heads"}, shape.num_attention_heads);
  read({"num_key_value_heads"}, shape.num_key_value_heads);
  if (read.flag("multi_query", false)) shape.num_key_value_heads = 1;
  read({"kv_lora_rank"}, shape.kv_lora_rank);
  read({"q_lora_rank"}, shape.q_lora_rank);
  read({"qk_nope_head_dim"}, shape.qk_nope_head_dim);
  read({"qk_rope_head_dim"}, shape.qk_rope_head_dim);
  read({"v_head_dim"}, shape.v_head_dim);
  if (!shape.is_mla()) read({"head_dim", "kv_channels"}, shape.head_dim);
  read({"index_n_heads"}, shape.index_n_heads);
  read({"index_head_dim"}, shape.index_head_dim);
  read({"index_topk"}, shape.index_topk);
  if (read.flag("use_sliding_window", type != "qwen2" && type != "qwen3" && type != "qwen3_moe")) {
    read({"sliding_window"}, shape.sliding_window);
  }
  if (type == "gpt_oss") shape.sliding_window_every = 2;
}

// Decoders of attention and MLP blocks are read by their fields, whatever they are called; these
// are known to be something else.
void refuse_other_families(const std::string& type, const std::string& where) {
  constexpr const char* kOthers[] = {"bert",         "roberta",
                                     "distilbert",   "albert",
                                     "electra",      "deberta",
                                     "deberta-v2",   "modernbert",
                                     "t5",           "mt5",
                                     "umt5",         "bart",
                                     "mbart",        "pegasus",
                                     "marian",       "led",
                                     "mamba",        "mamba2",
                                     "falcon_mamba", "rwkv",
                                     "rwkv5",        "jamba",
                                     "bamba",        "zamba",
                                     "zamba2",       "recurrent_gemma",
                                     "vit",          "clip",
                                     "siglip",       "whisper",
                                     "wav2vec2",     "swin"};
  const bool is_other = std::any_of(std::begin(kOthers), std::end(kOthers),
                                    [&](const char* other) { return type == other; });
  if (is_other) {
    throw_bad_input({where, "model_type", type, "a decoder of attention and MLP or expert blocks",
                     "encoders, encoder-decoders and state-space models are not planned"});
  }
}

}  // namespace

int ModelShape::n_moe_layers() const {
  int count = 0;
  for (int layer = 0; layer < num_hidden_layers; ++layer) count += is_moe_layer(layer);
  return count;
}

ModelShape model_shape_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) throw_bad_input({where, "not a config.json", "", "an object", ""});
  const ConfigReader read(json, where);
  const std::string type = read.word("model_type");
  refuse_other_families(type, where);
  ModelShape shape;
  shape.name = type.empty() ? where : type;
  shape.source = where;
  read({"vocab_size"}, shape.vocab_size);
  read({"hidden_size", "n_embd", "d_model"}, shape.hidden_size);
  read({"num_hidden_layers", "n_layer", "n_layers"}, shape.num_hidden_layers);
  read_attention(read, shape, type);
  shape.gated_mlp = !is_word(type, {"gpt2", "gpt_neox", "opt", "bloom", "gpt_bigcode", "falcon",
                                    "mpt", "gptj", "nemotron"});
  shape.intermediate_size = shape.gated_mlp ? 0 : 4 * shape.hidden_size;
  read({"intermediate_size", "ffn_dim", "n_inner"}, shape.intermediate_size);
  read_experts(read, shape, type);
  read({"num_nextn_predict_layers"}, shape.num_nextn_predict_layers);
  read({"max_position_embeddings", "n_positions", "max_seq_len"}, shape.max_position_embeddings);
  const bool usually_tied = is_word(
      type, {"gpt2", "opt", "bloom", "gpt_bigcode", "mpt", "gemma", "gemma2", "gemma3_text"});
  shape.tie_word_embeddings = read.flag("tie_word_embeddings", usually_tied);
  shape.learned_positions = is_word(type, {"gpt2", "opt", "gpt_bigcode"});
  fill_defaults(shape);
  throw_faults(shape, where);
  return shape;
}

ModelShape model_shape(const ModelConfig& config, const std::string& name) {
  ModelShape shape;
  shape.name = name;
  shape.vocab_size = config.vocab_size;
  shape.hidden_size = config.hidden_size;
  shape.num_hidden_layers = config.num_hidden_layers;
  shape.num_attention_heads = shape.num_key_value_heads = config.num_attention_heads;
  shape.q_lora_rank = config.q_lora_rank.value_or(0);
  shape.kv_lora_rank = config.kv_lora_rank;
  shape.qk_nope_head_dim = config.qk_nope_head_dim;
  shape.qk_rope_head_dim = config.qk_rope_head_dim;
  shape.v_head_dim = config.v_head_dim;
  shape.intermediate_size = config.intermediate_size;
  shape.n_routed_experts = config.n_routed_experts;
  shape.num_experts_per_tok = config.num_experts_per_tok;
  shape.moe_intermediate_size = config.moe_intermediate_size;
  shape.shared_intermediate_size = config.shared_intermediate_size();
  shape.first_k_dense_replace = config.first_k_dense_replace;
  shape.moe_layer_freq = std::max(config.moe_layer_freq, 1);
  shape.n_group = config.n_group;
  shape.topk_group = config.topk_group;
  shape.num_nextn_predict_layers = config.num_nextn_predict_layers;
  shape.tie_word_embeddings = config.tie_word_embeddings;
  shape.max_position_embeddings = config.max_position_embeddings;
  return shape;
}

namespace {

TrainingDefaults read_training(Settings& settings) {
  TrainingDefaults training;
  std::string tokens;
  settings.read("training.tokens", tokens, {});
  if (!tokens.empty()) {
    training.tokens = parse_as(tokens, Dimension::kCount, settings.where("training.tokens"));
  }
  int batch = 0;
  settings.read("training.sequence_length", training.sequence_length, {.low = 1});
  settings.read("training.global_batch", batch, {.low = 1});
  settings.read("training.precision", training.precision, {});
  settings.read("training.software", training.software, {.low = 2015, .high = 2040});
  settings.read("training.framework", training.framework, {.words = "megatron fsdp deepseek"});
  training.global_batch = batch;
  return training;
}

// The table's file of a name, or nothing.
std::string table_of(const std::string& name) {
  const std::vector<std::string> tables = list_shared("models", ".toml");
  const bool is_table =
      name.ends_with(".toml") || std::find(tables.begin(), tables.end(), name) != tables.end();
  return is_table ? find_shared("models", name, ".toml") : "";
}

}  // namespace

TrainingDefaults training_defaults(const std::string& name) {
  const std::string path = table_of(name);
  if (path.empty()) return {};
  Settings settings(read_file(path), path);
  settings.skip_section("model");
  return read_training(settings);
}

ModelShape parse_model_shape(const std::string& toml, const std::string& where) {
  Settings settings(toml, where);
  read_training(settings);
  ModelShape shape;
  settings.read("model.name", shape.name, {});
  settings.read("model.source", shape.source, {});
  visit_shape_integers(shape, [&](const char* name, int& field) {
    settings.read(std::string("model.") + name, field, {.low = 0, .high = 1e8});
  });
  settings.read("model.gated_mlp", shape.gated_mlp, {});
  settings.read("model.tie_word_embeddings", shape.tie_word_embeddings, {});
  settings.read("model.learned_positions", shape.learned_positions, {});
  settings.finish();
  fill_defaults(shape);
  throw_faults(shape, where);
  return shape;
}

std::vector<std::string> validate(const ModelShape& shape) {
  std::vector<std::string> faults;
  const auto need = [&](bool fine, const char* field, int found, const char* wanted) {
    if (!fine) faults.push_back(fmt::format("{}: found {}, wanted {}", field, found, wanted));
  };
  const auto positive = [&](const char* field, int found) {
    need(found > 0, field, found, "a positive number");
  };
  positive("vocab_size", shape.vocab_size);
  positive("hidden_size", shape.hidden_size);
  positive("num_hidden_layers", shape.num_hidden_layers);
  positive("num_attention_heads", shape.num_attention_heads);
  need(shape.num_hidden_layers <= 10000, "num_hidden_layers", shape.num_hidden_layers,
       "10,000 or fewer");
  if (shape.is_mla()) {
    positive("qk_nope_head_dim", shape.qk_nope_head_dim);
    positive("v_head_dim", shape.v_head_dim);
  } else {
    positive("head_dim", shape.head_dim);
    need(shape.num_key_value_heads > 0 &&
             shape.num_attention_heads % std::max(shape.num_key_value_heads, 1) == 0,
         "num_key_value_heads", shape.num_key_value_heads, "a divisor of num_attention_heads");
  }
  if (!shape.is_moe() || shape.first_k_dense_replace > 0) {
    positive("intermediate_size", shape.intermediate_size);
  }
  if (!shape.is_moe()) return faults;
  positive("moe_intermediate_size", shape.moe_intermediate_size);
  need(shape.num_experts_per_tok > 0 && shape.num_experts_per_tok <= shape.n_routed_experts,
       "num_experts_per_tok", shape.num_experts_per_tok, "1 to n_routed_experts");
  need(shape.n_group > 0 && shape.n_routed_experts % std::max(shape.n_group, 1) == 0, "n_group",
       shape.n_group, "a divisor of n_routed_experts");
  need(shape.topk_group > 0 && shape.topk_group <= shape.n_group, "topk_group", shape.topk_group,
       "1 to n_group");
  return faults;
}

namespace {

bool is_folder_with_config(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(fs::path(path) / "config.json", ignored);
}

ModelShape read_shape_file(const std::string& path) {
  ModelShape shape = path.ends_with(".json") ? model_shape_from_json(read_json(path), path)
                                             : parse_model_shape(read_file(path), path);
  const fs::path file = path;
  if (file.filename() == "config.json") {
    shape.name = file.parent_path().filename().string();
  } else if (shape.name.empty()) {
    shape.name = file.stem().string();
  }
  return shape;
}

}  // namespace

std::vector<std::string> list_model_shapes() {
  std::vector<std::string> names = list_shared("models", ".toml");
  for (const auto& folder : list_shared("models", "")) {
    if (!folder.ends_with(".toml")) names.push_back(folder);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

namespace {

// What lies at a path that is no model, or "".
std::string why_no_model(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return "a folder without config.json";
  if (fs::is_regular_file(path, ignored)) return "a file that is neither .toml nor .json";
  return fs::exists(path, ignored) ? "something that is no file" : "";
}

}  // namespace

// A bare word is a name of the book, even where a folder called so lies in the working folder.
ModelShape load_model_shape(const std::string& name) {
  const bool is_path = name.find('/') != std::string::npos;
  if (is_path && is_folder_with_config(name)) return read_shape_file(name + "/config.json");
  if (name.ends_with(".json")) return read_shape_file(name);
  if (const std::string table = table_of(name); !table.empty()) return read_shape_file(table);
  const std::vector<std::string> folders = list_shared("models", "");
  if (std::find(folders.begin(), folders.end(), name) != folders.end()) {
    const std::string folder = find_shared("models", name, "");
    if (is_folder_with_config(folder)) return read_shape_file(folder + "/config.json");
  }
  if (is_folder_with_config(name)) return read_shape_file(name + "/config.json");
  const std::string near = nearest_spelling(name, list_model_shapes());
  if (const std::string found = why_no_model(name); !found.empty()) {
    throw_bad_input({name, "no model", found,
                     "a name under models/, a .toml, a config.json or its folder",
                     "farthing list models"});
  }
  const std::vector<std::string> recipes = list_shared("recipes", ".toml");
  if (std::find(recipes.begin(), recipes.end(), name) != recipes.end()) {
    throw_bad_input(
        {name, "a recipe of this machine, no model of the book", "", "--cluster here", ""});
  }
  throw_bad_input({name, "no such model: neither a path nor a name under models/", "", "",
                   near.empty() ? "farthing list models" : "did you mean " + near + "?"});
}

std::string describe(const ModelShape& shape) {
  const auto total = static_cast<double>(count_parameters(shape).main());
  const auto active = static_cast<double>(count_active_parameters(shape).main());
  std::string text = format_count(total) + " parameters";
  if (shape.is_moe()) text += fmt::format(", {} active", format_count(active));
  text += fmt::format(", {} layers", shape.num_hidden_layers);
  if (shape.is_moe()) text += fmt::format(", {} experts", shape.n_routed_experts);
  if (const auto extra = count_parameters(shape).mtp; extra > 0) {
    text += fmt::format("; {} more for multi-token prediction", format_count(double(extra)));
  }
  return text;
}

}  // namespace farthing
