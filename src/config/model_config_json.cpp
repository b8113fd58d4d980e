// model_config_json.cpp - config.json of model_type deepseek_v3, read and written.
#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "config/model_config.h"
#include "config/model_fields.h"

namespace farthing {
namespace {

constexpr const char* kModelType = "deepseek_v3";

// What must stand in the file; the others have the defaults of Hugging Face's class.
constexpr std::string_view kRequired[] = {
    "vocab_size",       "hidden_size",      "num_hidden_layers",    "num_attention_heads",
    "n_routed_experts", "kv_lora_rank",     "qk_nope_head_dim",     "qk_rope_head_dim",
    "v_head_dim",       "n_shared_experts", "num_experts_per_tok",  "first_k_dense_replace",
    "n_group",          "topk_group",       "routed_scaling_factor"};

// Reads the members of one JSON object, complaining about types.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  // Null counts as absent.
  const Json* find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  void operator()(const char* name, int& field) const {
    if (const Json* value = find(name)) field = integer(name, *value);
  }
  void operator()(const char* name, double& field) const {
    if (const Json* value = find(name)) field = number(name, *value);
  }
  void operator()(const char* name, bool& field) const {
    const Json* value = find(name);
    if (value == nullptr) return;
    if (!value->is_boolean()) complain(name, *value, "true or false");
    field = value->get<bool>();
  }
  void operator()(const char* name, std::optional<int>& field) const {
    if (const Json* value = find(name)) field = integer(name, *value);
  }
  void operator()(const char* name, std::optional<double>& field) const {
    if (const Json* value = find(name)) field = number(name, *value);
  }

  // A feature that farthing computes in one way only.
  template <class T>
  void only(const char* name, const T& supported) const {
    const Json* value = find(name);
    if (value == nullptr || *value == Json(supported)) return;
    complain(name, *value, Json(supported).dump() + ", the only form that farthing computes");
  }

  [[noreturn]] void complain(const char* name, const Json& found, const std::string& wanted) const {
    throw_bad_input({where_, fmt::format("\"{}\"", name), shown(found), wanted, ""});
  }

 private:
  static std::string shown(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
  }
  double number(const char* name, const Json& value) const {
    if (!value.is_number()) complain(name, value, "a number");
    return value.get<double>();
  }
  int integer(const char* name, const Json& value) const {
    const double found = number(name, value);
    if (found != std::floor(found) || std::abs(found) > std::numeric_limits<int>::max()) {
      complain(name, value, "an integer of 32 bits");
    }
    return static_cast<int>(found);
  }

  const Json& object_;
  std::string where_;
};

void refuse_other_models(const FieldReader& read, const Json& json, const std::string& where) {
  const Json* type = read.find("model_type");
  if (type == nullptr || *type != kModelType) {
    throw_bad_input({where, "\"model_type\"", type == nullptr ? "none" : type->dump(),
                     "\"deepseek_v3\"", "farthing trains this architecture alone"});
  }
  read.only("hidden_act", "silu");
  read.only("attention_bias", false);
  read.only("attention_dropout", 0.0);
  read.only("scoring_func", "sigmoid");
  read.only("topk_method", "noaux_tc");
  read.only("mlp_bias", false);
  for (const auto name : kRequired) {
    if (read.find(name.data()) != nullptr) continue;
    if (name == "n_routed_experts" && json.contains("num_local_experts")) continue;
    throw_bad_input({where, fmt::format("\"{}\" is missing", name), "", "", ""});
  }
}

// transformers 4 says rope_scaling {type}, transformers 5 rope_parameters {rope_type, rope_theta}.
std::optional<RopeScaling> read_rope(const FieldReader& read, ModelConfig& config,
                                     const std::string& where) {
  const char* name = read.find("rope_parameters") != nullptr ? "rope_parameters" : "rope_scaling";
  const Json* json = read.find(name);
  if (json == nullptr) return std::nullopt;
  if (!json->is_object()) read.complain(name, *json, "an object or null");
  const FieldReader member(*json, where + ": " + name);
  member("rope_theta", config.rope_theta);
  const char* type_key = member.find("rope_type") != nullptr ? "rope_type" : "type";
  const Json* type = member.find(type_key);
  if (type == nullptr || *type == "default") return std::nullopt;
  if (*type != "yarn") member.complain(type_key, *type, "\"yarn\" or \"default\"");
  if (member.find("factor") == nullptr) member.complain("factor", nullptr, "a number");
  member.only("truncate", true);
  RopeScaling scaling;
  scaling.mscale = 0;  // absent: the cos/sin multiplier is mscale(factor, 1)
  scaling.original_max_position_embeddings = config.max_position_embeddings;
  visit_rope_scaling_fields(scaling, member);
  return scaling;
}

void read_token_id(const FieldReader& read, const Json& json, const char* name, int& id) {
  const auto found = json.find(name);
  if (found == json.end()) return;
  if (found->is_null()) {
    id = -1;
  } else if (found->is_array() && !found->empty()) {
    FieldReader(Json{{name, found->front()}}, "")(name, id);
  } else {
    read(name, id);
  }
}

MtpInput read_mtp_input(const FieldReader& read) {
  const Json* value = read.find("mtp_input");
  if (value == nullptr || *value == "pre_norm") return MtpInput::kPreNorm;
  if (*value != "post_norm") read.complain("mtp_input", *value, "\"pre_norm\" or \"post_norm\"");
  return MtpInput::kPostNorm;
}

Json rope_to_json(const RopeScaling& scaling) {
  Json json = {{"type", "yarn"}, {"rope_type", "yarn"}};
  const auto put = [&](const char* name, const auto& field) {
    if constexpr (requires { field.has_value(); }) {
      if (field) json[name] = *field;
    } else {
      json[name] = field;
    }
  };
  visit_rope_scaling_fields(scaling, put);
  if (scaling.mscale == 0) json.erase("mscale");
  return json;
}

}  // namespace

ModelConfig model_config_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) throw_bad_input({where, "a model's config", "no object", "an object", ""});
  const FieldReader read(json, where);
  refuse_other_models(read, json, where);
  ModelConfig config;
  config.initializer_range = 0.02;  // of Hugging Face's class
  visit_model_fields(config, [&](const char* name, auto& field) {
    const std::string_view key = name;
    if (key != "bos_token_id" && key != "eos_token_id") read(name, field);
  });
  if (read.find("n_routed_experts") == nullptr) read("num_local_experts", config.n_routed_experts);
  if (config.q_lora_rank == 0) config.q_lora_rank.reset();
  int key_value_heads = config.num_attention_heads;
  read("num_key_value_heads", key_value_heads);
  if (key_value_heads != config.num_attention_heads) {
    read.complain("num_key_value_heads", key_value_heads,
                  fmt::format("{}, as num_attention_heads", config.num_attention_heads));
  }
  config.rope_scaling = read_rope(read, config, where);
  config.mtp_input = read_mtp_input(read);
  read_token_id(read, json, "bos_token_id", config.bos_token_id);
  read_token_id(read, json, "eos_token_id", config.eos_token_id);
  if (const auto faults = validate(config); !faults.empty()) {
    std::string message;
    for (const auto& fault : faults) {
      message.append(message.empty() ? "" : "\n").append(where).append(": ").append(fault);
    }
    throw Error(ErrorCode::kBadInput, message);
  }
  return config;
}

Json to_json(const ModelConfig& config) {
  Json json = {{"architectures", {"DeepseekV3ForCausalLM"}}, {"model_type", kModelType}};
  visit_model_fields(config, [&](const char* name, const auto& field) {
    if constexpr (requires { field.has_value(); }) {
      json[name] = field ? Json(*field) : Json(nullptr);
    } else {
      json[name] = field;
    }
  });
  // Hugging Face builds experts in every layer from first_k_dense_replace on.
  if (config.n_routed_experts == 0) json["first_k_dense_replace"] = config.num_hidden_layers;
  if (config.bos_token_id < 0) json["bos_token_id"] = nullptr;
  if (config.eos_token_id < 0) json["eos_token_id"] = nullptr;
  if (!config.group_mask_zero) json.erase("group_mask_zero");
  if (config.mtp_input == MtpInput::kPostNorm) json["mtp_input"] = "post_norm";
  json["rope_scaling"] = config.rope_scaling ? rope_to_json(*config.rope_scaling) : Json(nullptr);
  json["num_key_value_heads"] = config.num_attention_heads;
  json["hidden_act"] = "silu";
  json["scoring_func"] = "sigmoid";
  json["topk_method"] = "noaux_tc";
  json["attention_bias"] = false;
  json["attention_dropout"] = 0.0;
  json["use_cache"] = true;
  json["torch_dtype"] = "float32";
  return json;
}

}  // namespace farthing
