// safetensors.h - read and write .safetensors, sharded or not, hostile or not.
//
// Source   the format as published by Hugging Face: u64 little-endian header length, JSON header,
//          data.  Offsets are relative to the end of the header.
// Errors   Error{kBadInput}: path, tensor, found, wanted.  A header length that lies, overlaps,
// gaps,
//          trailing bytes, unknown dtypes, duplicate names, shapes that overflow or do not match
//          their bytes, and shard names that leave the folder are refused before data is touched.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace farthing {

enum class Dtype { kF64, kF32, kF16, kBF16, kF8E4M3, kF8E8M0, kI64, kI32, kU8 };
std::int64_t dtype_bytes(Dtype dtype);
const char* dtype_name(Dtype dtype);

struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // may be unaligned
  std::string file;
  std::int64_t n_elements() const;
};

// One file, or a folder with model.safetensors or model.safetensors.index.json (the map is
// followed, names are never built).  Mapped, read on demand.  Views live as long as the reader.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::string& path);
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const TensorView* find(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // F32, F16, BF16, F64 widened or narrowed to float.  F8_E4M3 needs "<name>_scale_inv" beside it,
  // in any shard: value * scale[row / 128, col / 128], edge blocks partial. REQUIRES out.size() ==
  // n_elements.  Thread-safe.
  void read_as_float(const TensorView& tensor, std::span<float> out) const;

 private:
  void add_file(const std::string& path);
  void add_folder(const std::string& folder);
  void read_e4m3(const TensorView& tensor, std::span<float> out) const;
  std::vector<MappedFile> files_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::string> weight_map_;  // tensor -> path; empty without an index
};

// One tensor of a new file: written straight from `bytes`, or, when `fill` is set, pulled through
// it into a buffer of the tensor's size, one tensor at a time.
struct TensorToWrite {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes = {};
  std::function<void(std::span<std::byte>)> fill = {};
  std::int64_t n_bytes() const;
};
// Tensors in the order given, header padded to 8 bytes, the file fsynced (not the folder).
// REQUIRES names differ; bytes.size() == n_bytes() where fill is not set.
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace farthing
