// checkpoint.cpp - tensors and manifest of a checkpoint, out and in.
#include "train/checkpoint.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "train/past_run.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kFiles[] = {"master.safetensors", "moment1.safetensors",
                                  "moment2.safetensors"};

std::string folder_name(std::int64_t step) { return fmt::format("step-{:09}", step); }

std::span<const std::byte> bytes_of(auto values) { return std::as_bytes(values); }

template <class T>
void write_store(const std::string& path, const ParameterStore<T>& store, Dtype dtype,
                 bool trainable_only) {
  std::vector<TensorToWrite> tensors;
  for (int id = 0; id < store.table->size(); ++id) {
    const Parameter& p = (*store.table)[id];
    if (trainable_only && !p.trainable) continue;
    std::vector<std::int64_t> shape{p.n_cols};
    if (!p.is_vector) shape.insert(shape.begin(), p.n_rows);
    tensors.push_back({p.name, dtype, shape, bytes_of(store.values(id))});
  }
  write_safetensors(path, tensors);
}

template <class T>
void read_store(const std::string& path, const ParameterStore<T>& store, Dtype dtype,
                bool trainable_only) {
  const SafetensorsReader reader(path);
  for (int id = 0; id < store.table->size(); ++id) {
    const Parameter& p = (*store.table)[id];
    if (trainable_only && !p.trainable) continue;
    const TensorView* tensor = reader.find(p.name);
    const std::span<T> values = store.values(id);
    const auto shown = [](Dtype type, std::size_t bytes) {
      return fmt::format("{}, {} bytes", dtype_name(type), bytes);
    };
    if (tensor == nullptr || tensor->dtype != dtype ||
        tensor->bytes.size() != values.size_bytes()) {
      throw_bad_input({path, p.name + " is not as this model needs it",
                       tensor == nullptr ? "nothing" : shown(tensor->dtype, tensor->bytes.size()),
                       shown(dtype, values.size_bytes()), ""});
    }
    std::memcpy(values.data(), tensor->bytes.data(), values.size_bytes());
  }
}

Json manifest_json(const CheckpointMeta& meta) {
  Json json;
  json["format"] = kFormat;
  json["step"] = meta.step;
  json["tokens"] = meta.tokens;
  json["next_sample"] = meta.next_sample;
  json["n_updates"] = meta.n_updates;
  json["attempt"] = meta.attempt;
  json["bf16_moments"] = meta.bf16_moments;
  json["finished"] = meta.finished;
  json["isa"] = meta.isa;
  json["recipe_hash"] = meta.recipe_hash;
  json["weights_hash"] = meta.weights_hash;
  json["decisions"] = Json::array();
  for (const RunLength& length : meta.decisions) json["decisions"].push_back(to_json(length));
  json["loss_statistics"] = {{"n_losses", meta.loss_statistics.n_losses},
                             {"mean", meta.loss_statistics.mean},
                             {"variance", meta.loss_statistics.variance}};
  json["last_loss"] = meta.last_loss;
  json["model"] = to_json(meta.model);
  return json;
}

CheckpointMeta meta_from_json(const Json& json, const std::string& where) {
  CheckpointMeta meta;
  meta.step = json.at("step");
  meta.tokens = json.at("tokens");
  meta.next_sample = json.at("next_sample");
  meta.n_updates = json.at("n_updates");
  meta.attempt = json.at("attempt");
  meta.bf16_moments = json.at("bf16_moments");
  meta.finished = json.at("finished");
  meta.isa = json.at("isa");
  meta.recipe_hash = json.at("recipe_hash");
  meta.weights_hash = json.at("weights_hash");
  for (const Json& length : json.at("decisions")) {
    meta.decisions.push_back(run_length_from_json(length));
  }
  const Json& statistics = json.at("loss_statistics");
  meta.loss_statistics = {statistics.at("n_losses"), statistics.at("mean"),
                          statistics.at("variance")};
  meta.last_loss = json.at("last_loss");
  meta.model = model_config_from_json(json.at("model"), where);
  return meta;
}

std::string hash_of_text(const std::string& text) {
  return hash128_hex(std::as_bytes(std::span(text.data(), text.size())));
}

// The manifest's JSON, its own checksum and format verified.
Json read_checked_manifest(const std::string& path) {
  const std::string file = path + "/" + kManifest;
  Json json = read_json(file);
  const auto sealed = json.is_object() ? json.find("manifest_hash") : json.end();
  if (!json.is_object() || sealed == json.end() || !sealed->is_string()) {
    throw_bad_input({file, "not a checkpoint manifest", "", "an object with manifest_hash", ""});
  }
  const std::string wanted = *sealed;
  json.erase("manifest_hash");
  if (hash_of_text(json.dump()) != wanted) {
    throw_bad_input({file, "checksum differs", hash_of_text(json.dump()), wanted,
                     "the file was changed after it was written"});
  }
  if (json.value("format", 0) != kFormat) {
    throw_bad_input({file, "unknown checkpoint format", std::to_string(json.value("format", 0)),
                     std::to_string(kFormat), ""});
  }
  return json;
}

void write_files(const std::string& aside, CheckpointMeta& meta,
                 const ParameterStore<float>& master, const OptimizerState& state) {
  const auto path = [&](int i) { return aside + "/" + kFiles[i]; };
  write_store(path(0), master, Dtype::kF32, false);
  if (state.bf16_moments) {
    write_store(path(1), state.m_bf16, Dtype::kBF16, true);
    write_store(path(2), state.v_bf16, Dtype::kBF16, true);
  } else {
    write_store(path(1), state.m, Dtype::kF32, true);
    write_store(path(2), state.v, Dtype::kF32, true);
  }
  Json json = manifest_json(meta);
  for (int i = 0; i < 3; ++i) {
    json["files"][kFiles[i]] = {{"bytes", fs::file_size(path(i))}, {"xxh3", hash_of_file(path(i))}};
  }
  const std::string hash = hash_of_text(json.dump());
  json["manifest_hash"] = hash;
  FileWriter writer(aside + "/" + kManifest);
  writer.write(json.dump(1) + "\n");
  writer.finish();
  sync_folder(aside);
}

std::int64_t bytes_in(const std::string& path) {
  std::int64_t bytes = 0;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(path, ignored)) {
    const auto size = file.file_size(ignored);
    if (!ignored) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

// Renames aside to path; a (damaged) checkpoint of the same step goes only once the new one stands.
void put_in_place(const std::string& folder, const std::string& aside, const std::string& path) {
  const std::string old = folder + "/.old-" + fs::path(path).filename().string();
  std::error_code ignored;
  fs::remove_all(old, ignored);
  if (file_exists(path)) fs::rename(path, old);
  fs::rename(aside, path);
  sync_folder(folder);
  fs::remove_all(old, ignored);
}

}  // namespace

std::string weights_hash(const ParameterStore<float>& master) {
  StreamHash hash;
  for (int id = 0; id < master.table->size(); ++id) hash.add(bytes_of(master.values(id)));
  return hash.hex();
}

CheckpointEntry save_checkpoint(const std::string& folder, CheckpointMeta meta,
                                const ParameterStore<float>& master, const OptimizerState& state) {
  meta.weights_hash = weights_hash(master);
  meta.n_updates = state.n_updates;
  meta.bf16_moments = state.bf16_moments;
  const std::string name = folder_name(meta.step);
  const std::string aside = folder + "/.tmp-" + name;
  const std::string path = folder + "/" + name;
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  try {
    make_folder(aside);
    write_files(aside, meta, master, state);
    put_in_place(folder, aside, path);
  } catch (const fs::filesystem_error& fault) {
    fs::remove_all(aside, ignored);
    const bool full = fault.code() == std::errc::no_space_on_device;
    throw Error{full ? ErrorCode::kOutOfResource : ErrorCode::kFailed, fault.what()};
  } catch (const Error& error) {
    fs::remove_all(aside, ignored);
    throw Error{error.code,
                fmt::format("{}; the checkpoint of step {} was not saved, earlier ones are intact",
                            error.message, meta.step)};
  }
  return {meta.step, path, bytes_in(path)};
}

std::vector<CheckpointEntry> list_checkpoints(const std::string& folder) {
  std::vector<CheckpointEntry> entries;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("step-") || !entry.is_directory(ignored)) continue;
    if (name.find_first_not_of("0123456789", 5) != std::string::npos || name.size() > 23) continue;
    if (name.size() == 5) continue;
    entries.push_back(
        {std::stoll(name.substr(5)), entry.path().string(), bytes_in(entry.path().string())});
  }
  std::ranges::sort(entries, {}, &CheckpointEntry::step);
  return entries;
}

CheckpointMeta read_checkpoint_manifest(const std::string& path) {
  const Json json = read_checked_manifest(path);
  try {
    return meta_from_json(json, path + "/" + kManifest);
  } catch (const Json::exception& fault) {
    throw_bad_input({path + "/" + kManifest, "manifest is not readable", fault.what(), "", ""});
  }
}

std::string checkpoint_fault(const std::string& path) {
  try {
    const Json json = read_checked_manifest(path);
    (void)read_checkpoint_manifest(path);
    for (const char* name : kFiles) {
      const std::string file = path + "/" + name;
      const std::string found = hash_of_file(file);
      const std::string wanted = json.at("files").at(name).at("xxh3");
      if (found != wanted) {
        return to_string(Complaint{file, "checksum differs", found, wanted, "the file is damaged"});
      }
    }
    return "";
  } catch (const Error& error) {
    return error.message;
  } catch (const Json::exception& fault) {
    return path + ": manifest is not readable: " + fault.what();
  }
}

std::optional<CheckpointEntry> newest_intact_checkpoint(
    const std::string& folder,
    const std::function<void(const CheckpointEntry&, const std::string& fault)>& on_damaged) {
  auto entries = list_checkpoints(folder);
  for (; !entries.empty(); entries.pop_back()) {
    const std::string fault = checkpoint_fault(entries.back().path);
    if (fault.empty()) return entries.back();
    on_damaged(entries.back(), fault);
  }
  return std::nullopt;
}

void load_checkpoint(const std::string& path, const ParameterStore<float>& master,
                     OptimizerState* state) {
  const auto file = [&](int i) { return path + "/" + kFiles[i]; };
  read_store(file(0), master, Dtype::kF32, false);
  if (state == nullptr) return;
  state->n_updates = read_checkpoint_manifest(path).n_updates;
  if (state->bf16_moments) {
    read_store(file(1), state->m_bf16, Dtype::kBF16, true);
    read_store(file(2), state->v_bf16, Dtype::kBF16, true);
  } else {
    read_store(file(1), state->m, Dtype::kF32, true);
    read_store(file(2), state->v, Dtype::kF32, true);
  }
}

std::vector<std::int64_t> prune_checkpoints(const std::string& folder, int keep_last,
                                            int keep_every) {
  CHECK(keep_last >= 1);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".tmp-step-") || name.starts_with(".old-step-")) {
      fs::remove_all(entry.path(), ignored);
    }
  }
  std::vector<std::int64_t> removed;
  auto entries = list_checkpoints(folder);
  const std::size_t n_kept = std::min(entries.size(), static_cast<std::size_t>(keep_last));
  entries.resize(entries.size() - n_kept);
  for (const CheckpointEntry& entry : entries) {
    if (keep_every > 0 && entry.step % keep_every == 0) continue;
    // Renamed first, so that a kill in the middle leaves no half of a checkpoint under its name.
    const std::string old = folder + "/.old-" + folder_name(entry.step);
    fs::rename(entry.path, old, ignored);
    fs::remove_all(old, ignored);
    removed.push_back(entry.step);
  }
  return removed;
}

}  // namespace farthing
