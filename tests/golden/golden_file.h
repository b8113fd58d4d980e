// golden_file.h - a .safetensors file of golden values: its config, batch, weights and tensors.
#pragma once
#include <nlohmann/json.hpp>

#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.h"
#include "config/model_config.h"
#include "model/batch.h"
#include "model/parameters.h"
#include "model/safetensors.h"

namespace farthing {

class GoldenFile {
 public:
  // name without folder and extension, of a file beside this header.
  explicit GoldenFile(const std::string& name)
      : reader_(FARTHING_SOURCE_DIR "/tests/golden/" + name + ".safetensors"), name_(name) {}

  ModelConfig config() const {
    return model_config_from_json(parse_json(reader_.metadata().at("config"), name_), name_);
  }
  Json recipe() const {
    const auto found = reader_.metadata().find("recipe");
    return found == reader_.metadata().end() ? Json::object() : parse_json(found->second, name_);
  }

  // F32, F64 or I32, widened.
  std::vector<double> values(const std::string& name) const {
    const TensorView& tensor = at(name);
    switch (tensor.dtype) {
      case Dtype::kF64:
        return widened<double>(tensor);
      case Dtype::kF32:
        return widened<float>(tensor);
      case Dtype::kI32:
        return widened<std::int32_t>(tensor);
      default:
        throw std::runtime_error(name + ": unexpected dtype");
    }
  }

  std::vector<std::int64_t> shape(const std::string& name) const { return at(name).shape; }

  int count(const std::string& prefix) const {
    int n = 0;
    for (const auto& [name, tensor] : reader_.tensors()) n += name.starts_with(prefix);
    return n;
  }

  // The rows of `ids` and the last column of `targets`, as a loader would give them.
  Batch batch() const {
    const std::vector<double> ids = values("ids"), targets = values("targets");
    const auto length = static_cast<std::size_t>(shape("ids")[1]);
    std::vector<std::vector<std::int32_t>> rows;
    for (std::size_t begin = 0; begin < ids.size(); begin += length) {
      rows.emplace_back(ids.begin() + begin, ids.begin() + begin + length);
      rows.back().push_back(static_cast<std::int32_t>(targets[begin + length - 1]));
    }
    return make_batch(rows);
  }

  template <class T>
  void read_weights(const ParameterStore<T>& weights) const {
    for (int id = 0; id < weights.table->size(); ++id) {
      const std::vector<double> source = values("weight." + (*weights.table)[id].name);
      const std::span<T> target = weights.values(id);
      if (source.size() != target.size()) throw std::runtime_error((*weights.table)[id].name);
      for (std::size_t i = 0; i < source.size(); ++i) target[i] = static_cast<T>(source[i]);
    }
  }

 private:
  const TensorView& at(const std::string& name) const {
    const TensorView* tensor = reader_.find(name);
    if (tensor == nullptr) throw std::runtime_error(name_ + " has no tensor " + name);
    return *tensor;
  }
  template <class Stored>
  static std::vector<double> widened(const TensorView& tensor) {
    std::vector<Stored> raw(static_cast<std::size_t>(tensor.n_elements()));
    std::memcpy(raw.data(), tensor.bytes.data(), tensor.bytes.size());
    return {raw.begin(), raw.end()};
  }

  SafetensorsReader reader_;
  std::string name_;
};

}  // namespace farthing
