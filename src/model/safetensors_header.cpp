// safetensors_header.cpp - a header is checked whole before a byte of data is believed.
#include "model/safetensors_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"

namespace farthing {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the published reader

struct DtypeEntry {
  Dtype dtype;
  const char* name;
  int bytes;
};
constexpr std::array<DtypeEntry, 9> kDtypes = {{{Dtype::kF64, "F64", 8},
                                                {Dtype::kF32, "F32", 4},
                                                {Dtype::kF16, "F16", 2},
                                                {Dtype::kBF16, "BF16", 2},
                                                {Dtype::kF8E4M3, "F8_E4M3", 1},
                                                {Dtype::kF8E8M0, "F8_E8M0", 1},
                                                {Dtype::kI64, "I64", 8},
                                                {Dtype::kI32, "I32", 4},
                                                {Dtype::kU8, "U8", 1}}};

const DtypeEntry& entry_of(Dtype dtype) {
  const auto found = std::ranges::find(kDtypes, dtype, &DtypeEntry::dtype);
  CHECK(found != kDtypes.end());
  return *found;
}

}  // namespace

std::string quoted_name(std::string_view name) {
  constexpr std::size_t kLongest = 120;
  std::string quoted = "\"";
  quoted.append(name.substr(0, kLongest)).append(name.size() > kLongest ? "...\"" : "\"");
  return quoted;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

void TensorPlace::refuse(const std::string& what, const std::string& found,
                         const std::string& wanted) const {
  throw_bad_input({path, "tensor " + quoted_name(tensor) + ": " + what, found, wanted, ""});
}

std::int64_t dtype_bytes(Dtype dtype) { return entry_of(dtype).bytes; }
const char* dtype_name(Dtype dtype) { return entry_of(dtype).name; }

namespace {

std::string_view header_text(std::span<const std::byte> file, const std::string& path) {
  if (file.size() < 8) {
    throw_bad_input(
        {path, "not a safetensors file", std::to_string(file.size()) + " bytes", "at least 8", ""});
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  const std::uint64_t limit = std::min<std::uint64_t>(file.size() - 8, kMaxHeaderBytes);
  if (length < 2 || length > limit) {
    throw_bad_input({path, "header length", std::to_string(length), "2 .. " + std::to_string(limit),
                     "not a safetensors file, or cut short"});
  }
  return {reinterpret_cast<const char*>(file.data()) + 8, static_cast<std::size_t>(length)};
}

std::int64_t read_count(const Json& value, const TensorPlace& place, const char* what) {
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kLargest) {
    place.refuse(what, value.dump().substr(0, 60), "an integer from 0");
  }
  return value.get<std::int64_t>();
}

// The array under a key; `size` -1: any.
const Json& read_array(const Json& entry, const char* key, int size, const TensorPlace& place) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array() ||
      (size >= 0 && found->size() != static_cast<std::size_t>(size))) {
    place.refuse(key, found == entry.end() ? "nothing" : found->dump().substr(0, 60),
                 size < 0 ? "an array" : "an array of " + std::to_string(size));
  }
  return *found;
}

Dtype read_dtype(const Json& entry, const TensorPlace& place) {
  const auto found = entry.find("dtype");
  if (found == entry.end() || !found->is_string()) {
    place.refuse("dtype", found == entry.end() ? "nothing" : found->dump().substr(0, 60),
                 "a string");
  }
  for (const DtypeEntry& known : kDtypes) {
    if (found->get_ref<const std::string&>() == known.name) return known.dtype;
  }
  place.refuse("dtype", quoted_name(found->get_ref<const std::string&>()),
               "F64, F32, F16, BF16, F8_E4M3, F8_E8M0, I64, I32 or U8");
}

// Bytes of a shape; refuses a product that overflows.
std::int64_t checked_bytes(const TensorView& tensor, const TensorPlace& place) {
  std::int64_t bytes = dtype_bytes(tensor.dtype);
  for (const std::int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      place.refuse("shape", shape_text(tensor.shape), "a product that fits 63 bits");
    }
  }
  return bytes;
}

TensorView read_entry(const std::string& name, const Json& entry, std::span<const std::byte> data,
                      const std::string& path) {
  const TensorPlace place{path, name};
  if (!entry.is_object()) place.refuse("entry", entry.type_name(), "an object");
  TensorView tensor;
  tensor.name = name;
  tensor.file = path;
  tensor.dtype = read_dtype(entry, place);
  for (const auto& extent : read_array(entry, "shape", -1, place)) {
    tensor.shape.push_back(read_count(extent, place, "shape"));
  }
  const auto& offsets = read_array(entry, "data_offsets", 2, place);
  const std::int64_t begin = read_count(offsets[0], place, "data_offsets");
  const std::int64_t end = read_count(offsets[1], place, "data_offsets");
  if (begin > end || end > static_cast<std::int64_t>(data.size())) {
    place.refuse("data_offsets", offsets.dump(),
                 "begin <= end <= " + std::to_string(data.size()) + " bytes of data");
  }
  const std::int64_t bytes = checked_bytes(tensor, place);
  if (bytes != end - begin) {
    place.refuse("data_offsets", std::to_string(end - begin) + " bytes",
                 std::to_string(bytes) + " for " + dtype_name(tensor.dtype) + " " +
                     shape_text(tensor.shape));
  }
  tensor.bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(bytes));
  return tensor;
}

// Tensors must cover the data without overlap, gap or rest.
void check_coverage(std::vector<TensorView>& tensors, std::span<const std::byte> data,
                    const std::string& path) {
  std::ranges::sort(tensors, [](const TensorView& a, const TensorView& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  const std::byte* expected = data.data();
  for (const TensorView& tensor : tensors) {
    const std::ptrdiff_t difference = tensor.bytes.data() - expected;
    if (difference != 0) {
      TensorPlace{path, tensor.name}.refuse(
          difference > 0 ? "a gap before its data" : "its data overlaps another tensor's",
          "offset " + std::to_string(tensor.bytes.data() - data.data()),
          "offset " + std::to_string(expected - data.data()));
    }
    expected += tensor.bytes.size();
  }
  const std::ptrdiff_t rest = data.data() + data.size() - expected;
  if (rest != 0) {
    throw_bad_input({path, "bytes after the last tensor", std::to_string(rest), "0", ""});
  }
}

void read_metadata(const Json& entry, const std::string& path,
                   std::map<std::string, std::string>& metadata) {
  if (!entry.is_object()) {
    throw_bad_input({path, "__metadata__", entry.type_name(), "an object of strings", ""});
  }
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) {
      throw_bad_input(
          {path, "__metadata__ " + quoted_name(key), value.type_name(), "a string", ""});
    }
    metadata[key] = value.get<std::string>();
  }
}

}  // namespace

SafetensorsContent parse_safetensors(std::span<const std::byte> file, const std::string& path) {
  const std::string_view text = header_text(file, path);
  const Json header = parse_json(text, path + ": header");
  if (!header.is_object()) {
    throw_bad_input({path, "header", header.type_name(), "a JSON object", ""});
  }
  const std::span<const std::byte> data = file.subspan(8 + text.size());
  SafetensorsContent content;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      read_metadata(entry, path, content.metadata);
    } else {
      content.tensors.push_back(read_entry(name, entry, data, path));
    }
  }
  check_coverage(content.tensors, data, path);
  return content;
}

std::map<std::string, std::string> read_weight_map(const std::string& folder) {
  const std::string path = folder + "/" + kSafetensorsIndex;
  const Json index = read_json(path);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object() || map->empty()) {
    throw_bad_input({path, "weight_map", "nothing usable", "an object of tensor: file", ""});
  }
  std::map<std::string, std::string> paths;
  for (const auto& [tensor, file] : map->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.front() == '.' ||
        name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
      TensorPlace{path, tensor}.refuse("file", file.dump().substr(0, 120), "a plain file name");
    }
    paths[tensor] = std::string(folder).append("/").append(name);
  }
  return paths;
}

}  // namespace farthing
