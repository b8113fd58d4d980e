// recipe.cpp - recipes: read through Settings, checked as a whole, written back.
#include "config/recipe.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "config/model_fields.h"
#include "config/recipe_fields.h"
#include "config/share.h"

namespace farthing {
namespace {

constexpr int kMaxPresetDepth = 8;
constexpr const char* kRopeSection = "model.rope_scaling";
constexpr LrShape kLrShapes[] = {LrShape::kConstant, LrShape::kCosine, LrShape::kWsd,
                                 LrShape::kDeepseekV3};

const char* to_string(MtpInput input) {
  return input == MtpInput::kPreNorm ? "pre_norm" : "post_norm";
}

void read_setting(Settings& settings, const char* path, LrShape& field, const SettingRule& rule) {
  std::string word = to_string(field);
  settings.read(path, word, rule);
  for (const LrShape shape : kLrShapes) {
    if (word == to_string(shape)) field = shape;
  }
}

constexpr std::size_t kMostSources = 64;
constexpr double kMostWeight = 1e9;

void read_setting(Settings& settings, const char* path, std::vector<MixSource>& sources,
                  const SettingRule&) {
  const std::size_t n = settings.count(path);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string element = fmt::format("{}.{}.", path, i);
    MixSource source;
    settings.read(element + "name", source.name, {});
    settings.read(element + "data", source.data, {});
    settings.read(element + "weight", source.weight, {.low = 0, .high = kMostWeight});
    sources.push_back(std::move(source));
  }
}

void read_setting(Settings& settings, const char* path, std::vector<MixStage>& stages,
                  const SettingRule&) {
  const std::size_t n = settings.count(path);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string element = fmt::format("{}.{}.", path, i);
    MixStage stage;
    settings.read(element + "tokens", stage.tokens, {.low = 0, .high = 1e15});
    stage.weights.resize(settings.count(element + "weights"));
    for (std::size_t k = 0; k < stage.weights.size(); ++k) {
      settings.read(fmt::format("{}weights.{}", element, k), stage.weights[k],
                    {.low = 0, .high = kMostWeight});
    }
    stages.push_back(std::move(stage));
  }
}

template <class T>
void read_setting(Settings& settings, const char* path, T& field, const SettingRule& rule) {
  settings.read(path, field, rule);
}

// The folder of the recipe, for the files it names.
std::string folder_of(const std::string& where) {
  return std::filesystem::path(where).parent_path().string();
}

ModelConfig load_config(const std::string& name, const std::string& beside) {
  std::string path = find_shared("models", name, "", beside);
  if (std::filesystem::is_directory(path)) path += "/config.json";
  return model_config_from_json(read_json(path), path);
}

bool read_model(Settings& settings, ModelConfig& config, const std::string& where, int depth);

ModelConfig load_preset(const std::string& name, const std::string& beside, int depth) {
  if (depth >= kMaxPresetDepth) {
    throw_bad_input({"model.preset", "presets lead to presets", "more than 8 levels", "", ""});
  }
  const std::string path = find_shared("recipes", name, ".toml", beside);
  Settings settings(read_file(path), path);
  ModelConfig config;
  read_model(settings, config, path, depth + 1);
  for (const char* section : {"data", "train", "precision", "balance", "checkpoint", "guard",
                              "parallel", "cost", "run"}) {
    settings.skip_section(section);
  }
  settings.finish();
  return config;
}

// Sets config from preset or from; false, with the fault kept among the others, when that failed.
bool read_base(Settings& settings, ModelConfig& config, const std::string& where, int depth) {
  std::string preset, from;
  settings.read("model.preset", preset, {});
  settings.read("model.from", from, {});
  if (!preset.empty() && !from.empty()) {
    settings.add_fault("model.from", "both preset and from", "one of them");
  }
  try {
    if (!from.empty()) config = load_config(from, folder_of(where));
    if (!preset.empty()) config = load_preset(preset, folder_of(where), depth);
  } catch (const Error& error) {
    const char* key = preset.empty() ? "model.from" : "model.preset";
    settings.add_fault_line(settings.where(key) + ": " + key + ": " + error.message);
    return false;
  }
  return true;
}

void read_rope_scaling(Settings& settings, ModelConfig& config) {
  if (settings.has(kRopeSection)) {
    std::string word;
    settings.read(kRopeSection, word, {.words = "none"});
    config.rope_scaling.reset();
  }
  RopeScaling scaling = config.rope_scaling.value_or(RopeScaling{});
  visit_rope_scaling_fields(scaling, [&](const char* name, auto& field) {
    settings.read(std::string(kRopeSection) + "." + name, field, {});
  });
  if (config.rope_scaling || settings.has_section(kRopeSection)) config.rope_scaling = scaling;
}

// False when the fields would rest on a base that could not be read.
bool read_model(Settings& settings, ModelConfig& config, const std::string& where, int depth) {
  const bool has_base = read_base(settings, config, where, depth);
  visit_model_fields(config, [&](const char* name, auto& field) {
    settings.read(std::string("model.") + name, field, {});
  });
  if (config.q_lora_rank == 0) config.q_lora_rank.reset();
  read_rope_scaling(settings, config);
  std::string input = to_string(config.mtp_input);
  settings.read("model.mtp_input", input, {.words = "pre_norm post_norm"});
  config.mtp_input = input == "post_norm" ? MtpInput::kPostNorm : MtpInput::kPreNorm;
  return has_base;
}

void check_model(Settings& settings, const ModelConfig& config) {
  if (config == ModelConfig{} && !settings.has_section("model")) {
    settings.add_fault("[model]", "nothing", "preset = \"small\", from = \"...\", or the fields");
    return;
  }
  for (const auto& fault : validate(config)) {
    const std::string path = "model." + fault.substr(0, fault.find(':'));
    settings.add_fault_line(settings.where(path) + ": model." + fault);
  }
}

void check_batch(Settings& settings, const Recipe& recipe) {
  const TrainRecipe& train = recipe.train;
  const int length = recipe.data.sequence_length;
  const std::string wanted = fmt::format("a multiple of data.sequence_length = {}", length);
  if (train.batch_tokens % length != 0) {
    settings.add_fault("train.batch_tokens", std::to_string(train.batch_tokens), wanted);
  } else if (train.micro_batch > 0 && train.batch_tokens / length % train.micro_batch != 0) {
    settings.add_fault(
        "train.micro_batch", std::to_string(train.micro_batch),
        fmt::format("a divisor of the step's {} sequences", train.batch_tokens / length));
  }
  if (train.micro_batch > 0 && train.batch_tokens_start / length % train.micro_batch != 0) {
    settings.add_fault("train.micro_batch", std::to_string(train.micro_batch),
                       fmt::format("a divisor of the ramp's first {} sequences",
                                   train.batch_tokens_start / length));
  }
  if (train.batch_tokens_start % length != 0) {
    settings.add_fault("train.batch_tokens_start", std::to_string(train.batch_tokens_start),
                       wanted);
  }
  if (train.batch_tokens_start > train.batch_tokens) {
    settings.add_fault("train.batch_tokens_start", std::to_string(train.batch_tokens_start),
                       fmt::format("at most train.batch_tokens = {}", train.batch_tokens));
  }
  if ((train.batch_tokens_start > 0) != (train.batch_ramp_tokens > 0)) {
    settings.add_fault("train.batch_ramp_tokens", fmt::format("{}", train.batch_ramp_tokens),
                       "a ramp has both batch_tokens_start and batch_ramp_tokens");
  }
  if (length > recipe.model.max_position_embeddings) {
    settings.add_fault("data.sequence_length", std::to_string(length),
                       fmt::format("at most model.max_position_embeddings = {}",
                                   recipe.model.max_position_embeddings));
  }
}

// A key that the chosen shape of the schedule would never read.
void check_schedule(Settings& settings, const TrainRecipe& train) {
  const TrainRecipe usual;
  const std::string shape = std::string("lr_shape = ") + to_string(train.lr_shape);
  if (train.decay_fraction != usual.decay_fraction && train.lr_shape != LrShape::kWsd) {
    settings.add_fault("train.decay_fraction", shape, "lr_shape = wsd", "it would not be used");
  }
  const bool ends_low = train.lr_shape == LrShape::kWsd || train.lr_shape == LrShape::kCosine;
  if (train.min_lr_ratio != usual.min_lr_ratio && !ends_low) {
    settings.add_fault("train.min_lr_ratio", shape, "lr_shape = wsd or cosine",
                       "it would not be used");
  }
  if (train.bf16_moments && train.beta2 > 0.98) {
    settings.add_fault("train.bf16_moments", fmt::format("beta2 = {}", train.beta2),
                       "beta2 of 0.98 or less",
                       "BF16 has too few bits to add such small parts to the second moment");
  }
  try {
    parse_limits(train.until, settings.where("train.until") + ": train.until");
  } catch (const Error& error) {
    settings.add_fault_line(error.message);
  }
}

void check_precision(Settings& settings, const PrecisionRecipe& precision) {
  const std::string matmul = "matmul = " + precision.matmul;
  if (!precision.power_of_two_scales && precision.matmul != "fp8") {
    settings.add_fault("precision.power_of_two_scales", matmul, "matmul = fp8",
                       "it would not be used");
  }
  const int interval = precision.promotion_interval;
  if (interval != 32 && interval != 64 && interval != 128) {
    settings.add_fault("precision.promotion_interval", fmt::format("{}", interval),
                       "32, 64 or 128");
  }
  for (const auto& [key, value] : {std::pair{"precision.head", precision.head},
                                   std::pair{"precision.attention", precision.attention}}) {
    if (value != "bf16" || precision.matmul != "fp32") continue;
    settings.add_fault(key, matmul, "a precision that is not below that of the other products",
                       "set precision.matmul as well");
  }
}

void check_run(Settings& settings, const RunRecipe& run) {
  const bool odd = run.name == "." || run.name == ".." ||
                   std::any_of(run.name.begin(), run.name.end(), [](char letter) {
                     return letter == '/' || static_cast<unsigned char>(letter) < 0x20;
                   });
  if (odd) settings.add_fault("run.name", "\"" + run.name + "\"", "a folder's name");
}

bool all_zero(const std::vector<double>& weights) {
  return std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 0; });
}

void check_sources(Settings& settings, const DataRecipe& data) {
  std::vector<std::string> names;
  std::vector<double> weights;
  for (std::size_t i = 0; i < data.sources.size(); ++i) {
    const MixSource& source = data.sources[i];
    const std::string path = fmt::format("data.sources.{}", i);
    if (source.name.empty() || std::count(names.begin(), names.end(), source.name) > 0) {
      settings.add_fault(path + ".name", "\"" + source.name + "\"",
                         "a name that no other source has");
    }
    if (source.data.empty()) {
      settings.add_fault(path + ".data", "nothing", "a folder of `farthing data prepare`");
    }
    names.push_back(source.name);
    weights.push_back(source.weight);
  }
  if (data.sources.size() > kMostSources) {
    settings.add_fault("data.sources", std::to_string(data.sources.size()),
                       fmt::format("at most {}", kMostSources));
  }
  if (!names.empty() && all_zero(weights)) {
    settings.add_fault("data.sources", "weights of 0 alone", "a weight above 0");
  }
  if (!names.empty() && !data.train.empty()) {
    settings.add_fault("data.train", "both train and sources", "one of them");
  }
}

void check_stages(Settings& settings, const DataRecipe& data) {
  double before = 0;
  for (std::size_t i = 0; i < data.stages.size(); ++i) {
    const MixStage& stage = data.stages[i];
    const std::string path = fmt::format("data.stages.{}", i);
    if (stage.tokens <= before) {
      settings.add_fault(path + ".tokens", fmt::format("{}", stage.tokens),
                         fmt::format("more than {}, where the stage before it begins", before));
    }
    before = stage.tokens;
    if (stage.weights.size() != data.sources.size() || all_zero(stage.weights)) {
      settings.add_fault(
          path + ".weights", fmt::format("{} weights", stage.weights.size()),
          fmt::format("{}, one for each of data.sources, not all 0", data.sources.size()));
    }
  }
  if (data.stages.empty() && data.stage_shape != DataRecipe{}.stage_shape) {
    settings.add_fault("data.stage_shape", data.stage_shape, "data.stages", "it would not be used");
  }
}

struct TomlWriter {
  std::string text;
  std::string section;

  template <class T>
  void put(const std::string& path, const T& value, std::string_view source = {}) {
    const std::size_t dot = path.rfind('.');
    if (path.substr(0, dot) != section) {
      section = path.substr(0, dot);
      text += (text.empty() ? "[" : "\n[") + section + "]\n";
    }
    text += path.substr(dot + 1) + " = " + toml(value);
    if (!source.empty()) text += fmt::format("  # default: {}", source);
    text += '\n';
  }

  template <class T>
  static std::string toml(const T& value) {
    if constexpr (std::is_same_v<T, std::vector<MixSource>>) {
      std::string text;
      for (const MixSource& source : value) {
        text += fmt::format("{}{{name = {}, data = {}, weight = {}}}", text.empty() ? "" : ", ",
                            toml(source.name), toml(source.data), toml(source.weight));
      }
      return "[" + text + "]";
    } else if constexpr (std::is_same_v<T, std::vector<MixStage>>) {
      std::string text;
      for (const MixStage& stage : value) {
        text += fmt::format("{}{{tokens = {}, weights = {}}}", text.empty() ? "" : ", ",
                            toml(stage.tokens), toml(stage.weights));
      }
      return "[" + text + "]";
    } else if constexpr (std::is_same_v<T, std::vector<double>>) {
      std::string text;
      for (const double number : value) text += (text.empty() ? "" : ", ") + toml(number);
      return "[" + text + "]";
    } else if constexpr (std::is_same_v<T, LrShape>) {
      return toml_text(std::string_view(to_string(value)));
    } else if constexpr (std::is_same_v<T, std::string>) {
      return toml_text(std::string_view(value));
    } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      return toml_text(static_cast<std::int64_t>(value));
    } else {
      return toml_text(value);
    }
  }
};

void write_model(TomlWriter& writer, const ModelConfig& config) {
  visit_model_fields(config, [&](const std::string& name, const auto& field) {
    if constexpr (requires { field.has_value(); }) {
      writer.put("model." + name, field.value_or(0));
    } else {
      writer.put("model." + name, field);
    }
  });
  writer.put("model.mtp_input", std::string(to_string(config.mtp_input)));
  if (!config.rope_scaling) return;
  visit_rope_scaling_fields(*config.rope_scaling, [&](const std::string& name, const auto& field) {
    const std::string path = std::string(kRopeSection) + "." + name;
    if constexpr (requires { field.has_value(); }) {
      if (field) writer.put(path, *field);
    } else {
      writer.put(path, field);
    }
  });
}

}  // namespace

const char* to_string(LrShape shape) {
  switch (shape) {
    case LrShape::kConstant:
      return "constant";
    case LrShape::kCosine:
      return "cosine";
    case LrShape::kWsd:
      return "wsd";
    case LrShape::kDeepseekV3:
      return "deepseek_v3";
  }
  return "";
}

Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides) {
  const std::string found = find_shared("recipes", path, ".toml");
  Recipe recipe = parse_recipe(read_file(found), found, overrides);
  if (recipe.run.name.empty()) recipe.run.name = std::filesystem::path(found).stem().string();
  return recipe;
}

Recipe parse_recipe(const std::string& toml, const std::string& where,
                    const std::vector<std::string>& overrides) {
  Settings settings(toml, where, overrides);
  Recipe recipe;
  const bool has_model = read_model(settings, recipe.model, where, 0);
  visit_recipe_fields(recipe, [&](const char* path, auto& field, const SettingRule& rule) {
    read_setting(settings, path, field, rule);
  });
  if (has_model) check_model(settings, recipe.model);
  check_batch(settings, recipe);
  check_sources(settings, recipe.data);
  check_stages(settings, recipe.data);
  check_schedule(settings, recipe.train);
  check_precision(settings, recipe.precision);
  check_run(settings, recipe.run);
  settings.finish();
  return recipe;
}

std::string to_toml(const Recipe& recipe) {
  TomlWriter writer;
  write_model(writer, recipe.model);
  const Recipe usual;
  std::vector<std::string> defaults;  // the text of every default, in the order of visiting
  visit_recipe_fields(usual, [&](const char*, const auto& field, const SettingRule&) {
    if constexpr (requires { field.has_value(); }) {
      defaults.emplace_back();
    } else {
      defaults.push_back(TomlWriter::toml(field));
    }
  });
  std::size_t index = 0;
  visit_recipe_fields(recipe, [&](const char* path, const auto& field, const SettingRule& rule) {
    const std::string& usual_text = defaults[index++];
    if constexpr (requires { field.has_value(); }) {
      if (field) writer.put(path, *field);
    } else {
      const bool is_default = TomlWriter::toml(field) == usual_text;
      writer.put(path, field, is_default ? rule.source : std::string_view());
    }
  });
  return writer.text;
}

std::string recipe_hash(const Recipe& recipe) {
  const std::string text = to_toml(recipe);
  return hash128_hex(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace farthing
