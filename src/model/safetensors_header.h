// safetensors_header.h - what a .safetensors file or its index claims, checked; used by the reader.
#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/safetensors.h"

namespace farthing {

inline constexpr const char* kSafetensorsIndex = "model.safetensors.index.json";

// Where a fault of one tensor is.
struct TensorPlace {
  const std::string& path;
  const std::string& tensor;
  [[noreturn]] void refuse(const std::string& what, const std::string& found,
                           const std::string& wanted) const;
};

// A name out of a file in quotation marks, cut where it is too long to print.
std::string quoted_name(std::string_view name);
std::string shape_text(const std::vector<std::int64_t>& shape);  // "[2, 3]"

struct SafetensorsContent {
  std::vector<TensorView> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// The tensors of one file, whose bytes are `file`; the views point into it.
SafetensorsContent parse_safetensors(std::span<const std::byte> file, const std::string& path);

// weight_map of folder/model.safetensors.index.json: tensor -> path of its file in the folder.
std::map<std::string, std::string> read_weight_map(const std::string& folder);

}  // namespace farthing
