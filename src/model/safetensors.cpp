// safetensors.cpp - mapped files in, checked and widened to float; new files out.
#include "model/safetensors.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "kernels/number_formats.h"
#include "model/safetensors_header.h"

namespace farthing {
namespace {

constexpr int kScaleBlock = 128;

template <class Stored, class Widen>
void convert(std::span<const std::byte> bytes, std::span<float> out, const Widen& widen) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = widen(stored);
  }
}

}  // namespace

std::int64_t TensorView::n_elements() const {
  return static_cast<std::int64_t>(bytes.size()) / dtype_bytes(dtype);
}

SafetensorsReader::SafetensorsReader(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    add_folder(path);
  } else {
    add_file(path);
  }
}

void SafetensorsReader::add_folder(const std::string& folder) {
  if (file_exists(folder + "/model.safetensors")) return add_file(folder + "/model.safetensors");
  if (!file_exists(folder + "/" + kSafetensorsIndex)) {
    throw_bad_input({folder, "no weights here", "",
                     std::string("model.safetensors or ") + kSafetensorsIndex, ""});
  }
  weight_map_ = read_weight_map(folder);
  std::set<std::string> files;
  for (const auto& [tensor, file] : weight_map_) files.insert(file);
  for (const std::string& file : files) add_file(file);
  for (const auto& [tensor, file] : weight_map_) {
    if (!find(tensor)) TensorPlace{file, tensor}.refuse("missing", "", "there, as the index says");
  }
}

void SafetensorsReader::add_file(const std::string& path) {
  files_.emplace_back(path);
  SafetensorsContent content = parse_safetensors(files_.back().bytes(), path);
  metadata_.merge(content.metadata);
  for (const TensorView& tensor : content.tensors) {
    const auto mapped = weight_map_.find(tensor.name);
    if (mapped != weight_map_.end() && mapped->second != path) continue;  // the map names another
    const auto [place, is_new] = tensors_.try_emplace(tensor.name, tensor);
    if (!is_new) {
      TensorPlace{path, tensor.name}.refuse("in two shards", place->second.file, "one shard");
    }
  }
}

const TensorView* SafetensorsReader::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void SafetensorsReader::read_as_float(const TensorView& tensor, std::span<float> out) const {
  CHECK(static_cast<std::int64_t>(out.size()) == tensor.n_elements());
  switch (tensor.dtype) {
    case Dtype::kF32:
      if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
      return;
    case Dtype::kF64:
      return convert<double>(tensor.bytes, out, [](double v) { return static_cast<float>(v); });
    case Dtype::kF16:
      return convert<std::uint16_t>(tensor.bytes, out, from_f16);
    case Dtype::kBF16:
      return convert<std::uint16_t>(tensor.bytes, out, from_bf16);
    case Dtype::kF8E4M3:
      return read_e4m3(tensor, out);
    case Dtype::kF8E8M0:
      return convert<std::uint8_t>(tensor.bytes, out, from_ue8m0);
    case Dtype::kI64:
    case Dtype::kI32:
    case Dtype::kU8:
      break;
  }
  TensorPlace{tensor.file, tensor.name}.refuse("dtype", dtype_name(tensor.dtype), "floating point");
}

void SafetensorsReader::read_e4m3(const TensorView& tensor, std::span<float> out) const {
  const TensorPlace place{tensor.file, tensor.name};
  if (tensor.shape.size() != 2) {
    place.refuse("shape of an F8_E4M3 tensor", shape_text(tensor.shape), "two dimensions");
  }
  const TensorView* scale = find(tensor.name + "_scale_inv");
  if (!scale) place.refuse("its scale", "nothing", quoted_name(tensor.name + "_scale_inv"));
  const std::int64_t n_cols = tensor.shape[1];
  const auto blocks = [](std::int64_t n) { return n / kScaleBlock + (n % kScaleBlock != 0); };
  const std::vector<std::int64_t> wanted = {blocks(tensor.shape[0]), blocks(n_cols)};
  if (scale->shape != wanted) {
    TensorPlace{scale->file, scale->name}.refuse("shape", shape_text(scale->shape),
                                                 shape_text(wanted));
  }
  if (scale->dtype == Dtype::kF8E4M3) {
    TensorPlace{scale->file, scale->name}.refuse("dtype", "F8_E4M3", "F32, BF16 or F8_E8M0");
  }
  std::vector<float> scales(static_cast<std::size_t>(scale->n_elements()));
  read_as_float(*scale, scales);
  convert<std::uint8_t>(tensor.bytes, out, from_e4m3);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t row = static_cast<std::int64_t>(i) / n_cols;
    const std::int64_t col = static_cast<std::int64_t>(i) % n_cols;
    out[i] *= scales[static_cast<std::size_t>(row / kScaleBlock * wanted[1] + col / kScaleBlock)];
  }
}

std::int64_t TensorToWrite::n_bytes() const {
  std::int64_t bytes_of_shape = dtype_bytes(dtype);
  for (const std::int64_t extent : shape) bytes_of_shape *= extent;
  return bytes_of_shape;
}

void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + nlohmann::json(metadata).dump();
  std::int64_t offset = 0;
  std::set<std::string> names;
  for (const TensorToWrite& tensor : tensors) {
    CHECK(names.insert(tensor.name).second, "a tensor is written twice");
    const std::int64_t end = offset + tensor.n_bytes();
    if (header.size() > 1) header += ',';
    header += nlohmann::json(tensor.name).dump();
    header += std::string(":{\"dtype\":\"") + dtype_name(tensor.dtype) +
              "\",\"shape\":" + nlohmann::json(tensor.shape).dump() + ",\"data_offsets\":[" +
              std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = header.size();

  FileWriter file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  std::vector<std::byte> buffer;
  for (const TensorToWrite& tensor : tensors) {
    std::span<const std::byte> bytes = tensor.bytes;
    if (tensor.fill) {
      buffer.resize(static_cast<std::size_t>(tensor.n_bytes()));
      tensor.fill(buffer);
      bytes = buffer;
    }
    CHECK(static_cast<std::int64_t>(bytes.size()) == tensor.n_bytes());
    file.write(bytes);
  }
  file.finish();
}

}  // namespace farthing
