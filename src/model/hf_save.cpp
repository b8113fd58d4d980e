// hf_save.cpp - a parameter store written as a Hugging Face directory, complete or absent.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "kernels/number_formats.h"
#include "model/hf_model.h"
#include "model/safetensors_header.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

// One tensor of the export, filled from the store when its turn comes.
TensorToWrite to_write(const std::string& name, const ParameterStore<float>& weights, int id,
                       Dtype dtype) {
  const Parameter& parameter = (*weights.table)[id];
  TensorToWrite tensor;
  tensor.name = name;
  tensor.dtype = parameter.role == Role::kBias ? Dtype::kF32 : dtype;
  if (!parameter.is_vector) tensor.shape.push_back(parameter.n_rows);
  tensor.shape.push_back(parameter.n_cols);
  if (tensor.dtype == Dtype::kF32) {
    tensor.bytes = std::as_bytes(weights.values(id));
    return tensor;
  }
  tensor.fill = [values = weights.values(id)](std::span<std::byte> out) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t bits = to_bf16(values[i]);
      std::memcpy(out.data() + 2 * i, &bits, 2);
    }
  };
  return tensor;
}

// Every entry of the table, and the copies that an MTP layer carries.
std::vector<TensorToWrite> list_tensors(const ModelConfig& config,
                                        const ParameterStore<float>& weights, Dtype dtype) {
  const ParameterTable& table = *weights.table;
  std::vector<TensorToWrite> tensors;
  tensors.reserve(static_cast<std::size_t>(table.size()));
  for (int id = 0; id < table.size(); ++id) {
    tensors.push_back(to_write(table[id].name, weights, id, dtype));
  }
  const int embedding = table.find("model.embed_tokens.weight");
  const int head = config.tie_word_embeddings ? embedding : table.find("lm_head.weight");
  CHECK(embedding >= 0 && head >= 0);
  for (int layer = config.num_hidden_layers; layer < config.n_blocks(); ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    tensors.push_back(to_write(prefix + "embed_tokens.weight", weights, embedding, dtype));
    tensors.push_back(to_write(prefix + "shared_head.head.weight", weights, head, dtype));
  }
  return tensors;
}

// Cut in order, so that no part is larger than max_bytes unless it is one tensor.
std::vector<std::span<const TensorToWrite>> cut_shards(std::span<const TensorToWrite> tensors,
                                                       std::int64_t max_bytes) {
  std::vector<std::span<const TensorToWrite>> shards;
  std::size_t first = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i > first && bytes + tensors[i].n_bytes() > max_bytes) {
      shards.push_back(tensors.subspan(first, i - first));
      first = i;
      bytes = 0;
    }
    bytes += tensors[i].n_bytes();
  }
  shards.push_back(tensors.subspan(first));
  return shards;
}

void write_weights(const std::string& folder, std::span<const TensorToWrite> tensors,
                   std::int64_t max_shard_bytes) {
  const auto shards = cut_shards(tensors, max_shard_bytes);
  if (shards.size() == 1) return write_safetensors(folder + "/model.safetensors", tensors);
  nlohmann::json map = nlohmann::json::object();
  std::int64_t total_bytes = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    write_safetensors(std::string(folder).append("/").append(name), shards[i]);
    for (const TensorToWrite& tensor : shards[i]) {
      map[tensor.name] = name;
      total_bytes += tensor.n_bytes();
    }
  }
  const nlohmann::json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", map}};
  write_file_atomically(folder + "/" + kSafetensorsIndex, index.dump(2) + "\n");
}

// The text of an added token of tokenizer.json, null if there is none of that id.
Json added_token(const Json& tokenizer, int id) {
  const auto added = tokenizer.find("added_tokens");
  if (added == tokenizer.end() || !added->is_array()) return nullptr;
  for (const Json& token : *added) {
    if (token.is_object() && token.value("id", -1) == id && token.contains("content")) {
      return token["content"];
    }
  }
  return nullptr;
}

void write_tokenizer(const std::string& folder, const ModelConfig& config,
                     const std::string& tokenizer_json) {
  const Json tokenizer = parse_json(tokenizer_json, "tokenizer.json");
  if (!tokenizer.is_object()) {
    throw_bad_input({"tokenizer.json", "the document", "no object", "an object", ""});
  }
  const Json eos = added_token(tokenizer, config.eos_token_id);
  Json settings = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                   {"add_bos_token", false},
                   {"add_eos_token", false},
                   {"clean_up_tokenization_spaces", false},
                   {"model_max_length", config.max_position_embeddings},
                   {"bos_token", added_token(tokenizer, config.bos_token_id)},
                   {"eos_token", eos},
                   {"pad_token", eos}};
  write_file_atomically(folder + "/tokenizer.json", tokenizer_json);
  write_file_atomically(folder + "/tokenizer_config.json", settings.dump(2) + "\n");
}

void write_configs(const std::string& folder, const ModelConfig& config, Dtype dtype) {
  const char* dtype_text = dtype == Dtype::kBF16 ? "bfloat16" : "float32";
  Json json = to_json(config);
  json["torch_dtype"] = dtype_text;
  json["dtype"] = dtype_text;
  write_file_atomically(folder + "/config.json", json.dump(2) + "\n");
  const Json generation = {{"bos_token_id", json["bos_token_id"]},
                           {"eos_token_id", json["eos_token_id"]}};
  write_file_atomically(folder + "/generation_config.json", generation.dump(2) + "\n");
}

bool is_export_file(const std::string& name) {
  constexpr std::string_view kNames[] = {"config.json",    "generation_config.json",
                                         "tokenizer.json", "tokenizer_config.json",
                                         "README.md",      kSafetensorsIndex};
  for (const std::string_view known : kNames) {
    if (name == known) return true;
  }
  return name.starts_with("model") && name.ends_with(".safetensors");
}

void refuse_foreign_files(const std::string& folder) {
  if (!fs::exists(folder)) return;
  if (!fs::is_directory(folder)) {
    throw_bad_input({folder, "the target", "a file", "a new folder", ""});
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (is_export_file(name)) continue;
    throw_bad_input({folder, "the target holds other files", quoted_name(name),
                     "a new folder, or one of an earlier export", "nothing was changed"});
  }
}

// A folder beside the target, removed again unless it was put into its place.
class AsideFolder {
 public:
  explicit AsideFolder(std::string target)
      : target_(std::move(target)), path_(target_ + fmt::format(".tmp-{}", getpid())) {
    fs::remove_all(path_);
    make_folder(path_);
  }
  AsideFolder(const AsideFolder&) = delete;
  AsideFolder& operator=(const AsideFolder&) = delete;
  ~AsideFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

  // Afterwards the aside folder is gone, or holds the old export.
  void put_in_place() const {
    sync_folder(path_);
    const bool swapped = fs::exists(target_) && renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD,
                                                          target_.c_str(), RENAME_EXCHANGE) == 0;
    if (!swapped) {
      fs::remove_all(target_);
      fs::rename(path_, target_);
    }
    const std::string parent = fs::path(target_).parent_path().string();
    sync_folder(parent.empty() ? "." : parent);
  }

 private:
  std::string target_;
  std::string path_;
};

}  // namespace

void save_hf_model(const std::string& folder, const ModelConfig& config,
                   const ParameterStore<float>& weights, const HfExport& options) {
  CHECK(options.dtype == Dtype::kF32 || options.dtype == Dtype::kBF16);
  std::string target = folder;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  try {
    refuse_foreign_files(target);
    const AsideFolder aside(target);
    write_configs(aside.path(), config, options.dtype);
    if (!options.tokenizer_json.empty()) {
      write_tokenizer(aside.path(), config, options.tokenizer_json);
    }
    if (!options.model_card.empty()) {
      write_file_atomically(aside.path() + "/README.md", options.model_card);
    }
    write_weights(aside.path(), list_tensors(config, weights, options.dtype),
                  options.max_shard_bytes);
    aside.put_in_place();
  } catch (const fs::filesystem_error& fault) {
    const bool full = fault.code() == std::errc::no_space_on_device;
    throw Error(full ? ErrorCode::kOutOfResource : ErrorCode::kFailed,
                target + ": cannot write the export: " + fault.code().message());
  }
}

}  // namespace farthing
