// safetensors.h - read and write .safetensors, sharded or not, hostile or not.
//
// Source   the format as published by Hugging Face: u64 little-endian header length, JSON header,
//          data.  Offsets are relative to the end of the header.
// Errors   Error{kBadInput}: path, tensor, found, wanted. Lying lengths, overlaps, gaps, unknown
//          dtypes and shapes that do not match their bytes are refused before any data is touched.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace farthing {

enum class Dtype { kF64, kF32, kF16, kBF16, kF8E4M3, kI64, kI32, kU8 };
std::int64_t dtype_bytes(Dtype dtype);
const char* dtype_name(Dtype dtype);

struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  std::string file;
  std::int64_t n_elements() const;
};

// One file, or a folder with model.safetensors or model.safetensors.index.json (the map is followed,
// names are never built).  Mapped, read on demand.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::string& path);
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const TensorView* find(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // F32, F16, BF16, F64 widened or narrowed to float.  F8_E4M3 needs "<name>_scale_inv" beside it
  // (128 x 128 blocks, multiplied).  REQUIRES out.size() == n_elements.
  void read_as_float(const TensorView& tensor, std::span<float> out) const;

 private:
  void add_file(const std::string& path);
  std::vector<MappedFile> files_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Tensors in the order given; data is pulled from `fill` one tensor at a time into a buffer, or
// written straight from `bytes` when that is not empty.  Writes with FileWriter (fsynced).
struct TensorToWrite {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace farthing
