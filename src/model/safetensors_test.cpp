// safetensors_test.cpp - round trip, number formats, shards, and every way a header can lie.
#include "model/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/number_formats.h"

namespace farthing {
namespace {

class Safetensors : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        testing::TempDir() + "farthing_safetensors_" + info->name() + std::to_string(getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A file with this header text and so many bytes of data.
  std::string write_raw(const std::string& header, std::size_t n_data,
                        const std::string& name = "raw.safetensors") {
    const std::uint64_t length = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return write_bytes(bytes + header + std::string(n_data, '\1'), name);
  }
  std::string write_bytes(const std::string& bytes, const std::string& name) {
    const std::string path = folder_ + "/" + name;
    write_file_atomically(path, bytes);
    return path;
  }
  std::string folder_;
};

std::string message_of(const std::string& path) {
  try {
    const SafetensorsReader reader(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput) << error.message;
    return error.message;
  }
  return "accepted";
}

#define EXPECT_REFUSED(path, words)                                 \
  do {                                                              \
    const std::string message = message_of(path);                   \
    EXPECT_NE(message.find(words), std::string::npos) << message;   \
    EXPECT_NE(message.find(folder_), std::string::npos) << message; \
  } while (false)

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

std::vector<float> read(const SafetensorsReader& reader, const std::string& name) {
  const TensorView* tensor = reader.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  std::vector<float> out(static_cast<std::size_t>(tensor->n_elements()));
  reader.read_as_float(*tensor, out);
  return out;
}

TEST_F(Safetensors, RoundTripKeepsNamesShapesOrderAndBytes) {
  const std::vector<float> a = {1, -2, 3.5f, 4, 5, 6};
  const std::vector<std::uint16_t> b = {to_bf16(0.5f), to_bf16(-3)};
  const std::string path = folder_ + "/t.safetensors";
  const std::vector<TensorToWrite> tensors = {
      {.name = "z \"quoted\"", .shape = {2, 3}, .bytes = bytes_of(a)},
      {.name = "b", .dtype = Dtype::kBF16, .shape = {2}, .bytes = bytes_of(b)},
      {.name = "empty", .shape = {0, 4}},
      {.name = "scalar", .shape = {}, .fill = [](std::span<std::byte> out) {
         const float seven = 7;
         ASSERT_EQ(out.size(), 4u);
         std::memcpy(out.data(), &seven, 4);
       }}};
  write_safetensors(path, tensors);
  const SafetensorsReader reader(path);
  EXPECT_EQ(reader.tensors().size(), 4u);
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  EXPECT_EQ(read(reader, "z \"quoted\""), a);
  EXPECT_EQ(reader.find("z \"quoted\"")->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(read(reader, "b"), (std::vector<float>{0.5f, -3}));
  EXPECT_TRUE(read(reader, "empty").empty());
  EXPECT_EQ(read(reader, "scalar"), std::vector<float>{7});
  EXPECT_LT(reader.find("z \"quoted\"")->bytes.data(), reader.find("b")->bytes.data());
  EXPECT_EQ(reader.find("nothing"), nullptr);
}

TEST_F(Safetensors, HeaderIsPaddedToEightBytes) {
  for (int length = 1; length <= 8; ++length) {
    const std::vector<float> value = {1};
    const std::string path = folder_ + "/p.safetensors";
    const std::vector<TensorToWrite> one = {
        {.name = std::string(static_cast<std::size_t>(length), 'x'),
         .shape = {1},
         .bytes = bytes_of(value)}};
    write_safetensors(path, one);
    const std::string bytes = read_file(path);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    EXPECT_EQ(header % 8, 0u);
    EXPECT_EQ(bytes.size(), 8 + header + 4);
  }
}

TEST_F(Safetensors, WideAndHalfFormatsBecomeFloat) {
  const std::vector<double> wide = {0.1, -1e30};
  const std::vector<std::uint16_t> half = {to_f16(0.333f), 0x0001};
  const std::vector<std::uint8_t> powers = {127, 120};
  const std::string path = folder_ + "/t.safetensors";
  const std::vector<TensorToWrite> tensors = {
      {.name = "powers", .dtype = Dtype::kF8E8M0, .shape = {2}, .bytes = bytes_of(powers)},
      {.name = "odd", .dtype = Dtype::kU8, .shape = {1}, .bytes = bytes_of(powers).subspan(0, 1)},
      {.name = "wide", .dtype = Dtype::kF64, .shape = {2}, .bytes = bytes_of(wide)},  // unaligned
      {.name = "half", .dtype = Dtype::kF16, .shape = {2}, .bytes = bytes_of(half)}};
  write_safetensors(path, tensors);
  const SafetensorsReader reader(path);
  EXPECT_EQ(read(reader, "wide"), (std::vector<float>{0.1f, -1e30f}));
  EXPECT_EQ(read(reader, "half"), (std::vector<float>{from_f16(to_f16(0.333f)), 0x1p-24f}));
  EXPECT_EQ(read(reader, "powers"), (std::vector<float>{1, 0x1p-7f}));
  EXPECT_THROW(read(reader, "odd"), Error);
}

// A tensor and its block scales, quantised as the format says: amax / 448 per 128 x 128 block.
struct Quantised {
  std::vector<float> original;
  std::vector<std::uint8_t> stored;
  std::vector<float> scales;
};
Quantised quantise(int n_rows, int n_cols, bool power_of_two) {
  const Rng rng(1, RngStream::kTest);
  const int col_blocks = (n_cols + 127) / 128;
  Quantised q;
  q.scales.resize(static_cast<std::size_t>((n_rows + 127) / 128 * col_blocks));
  const auto block_of = [&](int row, int col) {
    return static_cast<std::size_t>(row / 128 * col_blocks + col / 128);
  };
  std::vector<float> amax(q.scales.size());
  for (int row = 0; row < n_rows; ++row) {
    for (int col = 0; col < n_cols; ++col) {
      const auto index = static_cast<std::uint64_t>(row) * static_cast<std::uint64_t>(n_cols) +
                         static_cast<std::uint64_t>(col);
      const std::size_t block = block_of(row, col);  // blocks differ in size by orders of magnitude
      const float value = static_cast<float>(rng.uniform(index) + 0.01) *
                          std::ldexp(1.0f, static_cast<int>(block % 13) - 6);
      q.original.push_back(value);
      amax[block] = std::max(amax[block], value);
    }
  }
  for (std::size_t block = 0; block < amax.size(); ++block) {
    q.scales[block] = power_of_two ? from_ue8m0(ue8m0_scale(amax[block])) : e4m3_scale(amax[block]);
  }
  for (int row = 0; row < n_rows; ++row) {
    for (int col = 0; col < n_cols; ++col) {
      q.stored.push_back(to_e4m3(q.original[q.stored.size()] / q.scales[block_of(row, col)]));
    }
  }
  return q;
}

// Pitfall: scale divided, transposed, or its 64-row edge block lost.
TEST_F(Safetensors, Fp8IsMultipliedByItsBlockScaleEdgesIncluded) {
  for (const bool power_of_two : {false, true}) {
    const Quantised q = quantise(576, 7168, power_of_two);
    const std::string path = folder_ + "/q.safetensors";
    const std::vector<TensorToWrite> tensors = {
        {.name = "w", .dtype = Dtype::kF8E4M3, .shape = {576, 7168}, .bytes = bytes_of(q.stored)},
        {.name = "w_scale_inv", .shape = {5, 56}, .bytes = bytes_of(q.scales)}};
    write_safetensors(path, tensors);
    const std::vector<float> out = read(SafetensorsReader(path), "w");
    double worst = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      worst = std::max(worst, std::abs(out[i] / q.original[i] - 1.0));
    }
    EXPECT_LE(worst, 0x1p-4);
    EXPECT_GT(worst, 0x1p-6);  // it did go through eight bits
  }
}

TEST_F(Safetensors, Fp8WithoutItsScaleOrWithAWrongOneIsRefused) {
  const std::vector<std::uint8_t> stored(200 * 3, 0x38);
  const std::vector<float> scales = {1, 2};
  const std::string path = folder_ + "/q.safetensors";
  TensorToWrite w = {
      .name = "w", .dtype = Dtype::kF8E4M3, .shape = {200, 3}, .bytes = bytes_of(stored)};
  write_safetensors(path, std::vector<TensorToWrite>{w});
  EXPECT_THROW(read(SafetensorsReader(path), "w"), Error);
  TensorToWrite scale = {.name = "w_scale_inv", .shape = {1, 2}, .bytes = bytes_of(scales)};
  write_safetensors(path, std::vector<TensorToWrite>{w, scale});
  EXPECT_THROW(read(SafetensorsReader(path), "w"), Error);
  scale.shape = {2, 1};
  write_safetensors(path, std::vector<TensorToWrite>{w, scale});
  const std::vector<float> out = read(SafetensorsReader(path), "w");
  EXPECT_EQ(out[127 * 3 + 2], 1);
  EXPECT_EQ(out[128 * 3], 2);
}

// Pitfall: names built from a template; a scale in another shard.
TEST_F(Safetensors, ShardsAreFoundThroughTheWeightMap) {
  const std::vector<std::uint8_t> stored(4, 0x38);
  const std::vector<float> two = {2};
  write_safetensors(
      folder_ + "/model-00001-of-000002.safetensors",
      std::vector<TensorToWrite>{
          {.name = "w", .dtype = Dtype::kF8E4M3, .shape = {2, 2}, .bytes = bytes_of(stored)}});
  write_safetensors(
      folder_ + "/other.safetensors",
      std::vector<TensorToWrite>{{.name = "w_scale_inv", .shape = {1, 1}, .bytes = bytes_of(two)}});
  write_bytes(R"({"metadata":{"total_size":8},"weight_map":{)"
              R"("w":"model-00001-of-000002.safetensors","w_scale_inv":"other.safetensors"}})",
              "model.safetensors.index.json");
  const SafetensorsReader reader(folder_);
  EXPECT_EQ(read(reader, "w"), (std::vector<float>{2, 2, 2, 2}));
  EXPECT_EQ(reader.find("w_scale_inv")->file, folder_ + "/other.safetensors");
}

TEST_F(Safetensors, BadIndexesAreRefused) {
  const std::vector<float> one = {1};
  const std::vector<TensorToWrite> w = {{.name = "w", .shape = {1}, .bytes = bytes_of(one)}};
  EXPECT_REFUSED(folder_, "no weights here");
  write_safetensors(folder_ + "/a.safetensors", w);
  write_safetensors(folder_ + "/b.safetensors", w);
  const auto index = [&](const std::string& map) {
    write_bytes("{\"weight_map\":" + map + "}", "model.safetensors.index.json");
  };
  index(R"({"w":"a.safetensors","v":"a.safetensors"})");
  EXPECT_REFUSED(folder_, "tensor \"v\": missing");
  index(R"({"w":"gone.safetensors"})");
  EXPECT_REFUSED(folder_, "gone.safetensors");
  for (const char* name : {"../a.safetensors", "/etc/passwd", "", "..", "x/../../a", ".\\\\a"}) {
    index(std::string(R"({"w":")") + name + "\"}");
    EXPECT_REFUSED(folder_, "plain file name");
  }
  for (const char* map : {"[]", "{}", "3"}) {
    index(map);
    EXPECT_REFUSED(folder_, "weight_map");
  }
  index(R"({"w":7})");
  EXPECT_REFUSED(folder_, "plain file name");
  index(R"({"w":"a.safetensors","w":"b.safetensors"})");
  EXPECT_REFUSED(folder_, "twice");
}

// DeepSeek-V3 has 91,991 tensors.
// Writes a folder of so many tensors; the processor seconds, not the wall's, to find them all.
double seconds_to_find(const std::string& folder, int n_tensors) {
  const std::vector<float> one = {1};
  std::vector<TensorToWrite> tensors;
  for (int i = 0; i < n_tensors; ++i) {
    tensors.push_back({.name = "model.layers.1.mlp.experts." + std::to_string(i),
                       .shape = {1},
                       .bytes = bytes_of(one)});
  }
  std::string map;
  for (const auto& tensor : tensors) {
    map.append(map.empty() ? "\"" : ",\"").append(tensor.name).append("\":\"a.safetensors\"");
  }
  write_safetensors(folder + "/a.safetensors", tensors);
  write_file_atomically(folder + "/model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  const std::clock_t begun = std::clock();
  const SafetensorsReader reader(folder);
  const double spent = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  EXPECT_EQ(reader.tensors().size(), static_cast<std::size_t>(n_tensors));
  return spent;
}

TEST_F(Safetensors, TenTimesTheTensorsAreFoundInTenTimesTheTime) {
  const double few = seconds_to_find(folder_, 10000);
  EXPECT_LT(seconds_to_find(folder_, 100000), 30 * few);  // 100 times when quadratic
}

TEST_F(Safetensors, ATensorInTwoShardsIsTakenFromTheOneTheMapNames) {
  const std::vector<float> one = {1}, two = {2};
  const auto tensor = [](const char* name, const std::vector<float>& value) {
    return TensorToWrite{.name = name, .shape = {1}, .bytes = bytes_of(value)};
  };
  write_safetensors(folder_ + "/a.safetensors",
                    std::vector<TensorToWrite>{tensor("w", one), tensor("a", one)});
  write_safetensors(folder_ + "/b.safetensors",
                    std::vector<TensorToWrite>{tensor("w", two), tensor("b", two)});
  write_bytes(R"({"weight_map":{"w":"b.safetensors","a":"a.safetensors"}})",
              "model.safetensors.index.json");
  EXPECT_EQ(read(SafetensorsReader(folder_), "w"), two);
  write_bytes(R"({"weight_map":{"a":"a.safetensors","b":"b.safetensors"}})",
              "model.safetensors.index.json");
  EXPECT_REFUSED(folder_, "in two shards");
}

TEST_F(Safetensors, MissingAndShortFilesAreRefused) {
  EXPECT_REFUSED(folder_ + "/nothing.safetensors", "cannot read");
  EXPECT_REFUSED(write_bytes("", "empty"), "0 bytes");
  EXPECT_REFUSED(write_bytes("1234567", "short"), "7 bytes");
  EXPECT_REFUSED(write_bytes(std::string(8, '\0'), "zero"), "header length");
}

TEST_F(Safetensors, HeaderLengthsThatLieAreRefused) {
  for (const std::uint64_t length :
       {std::uint64_t{3}, std::uint64_t{1} << 40, std::numeric_limits<std::uint64_t>::max()}) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_REFUSED(write_bytes(bytes + "{}", "raw"),
                   "header length: found " + std::to_string(length));
  }
}

TEST_F(Safetensors, EveryLieOfAHeaderIsNamed) {
  struct Case {
    const char* header;
    const char* words;
  };
  const std::string deep = R"({"a":)" + std::string(100, '[') + std::string(100, ']') + "}";
  const Case cases[] = {
      {R"([])", "JSON object"},
      {R"(7 )", "JSON object"},
      {R"({"a":{)", "not valid JSON"},
      {"{\"\xff\":{}}", "not valid JSON"},
      {R"({} x)", "not valid JSON"},
      {deep.c_str(), "nested"},
      {R"({"__metadata__":[]})", "__metadata__"},
      {R"({"__metadata__":{"a":1}})", "__metadata__"},
      {R"({"a":3})", "an object"},
      {R"({"a":{"shape":[2],"data_offsets":[0,8]}})", "dtype"},
      {R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", "dtype"},
      {R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", "\"F31\""},
      {R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", "shape"},
      {R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", "shape"},
      {R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "found -2"},
      {R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", "found 2.0"},
      {R"({"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", "an integer"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})",
       "an integer"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "63 bits"},
      {R"({"a":{"dtype":"F32","shape":[2]}})", "data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "array of 2"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", "array of 2"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "begin <= end"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}})", "begin <= end <= 8"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)"
       R"([9223372036854775800,9223372036854775807]}})",
       "begin <= end"},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "12 for F32 [3]"},
      {R"({"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,8]}})", "6 for BF16 [3]"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "a gap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       "after the last tensor: found 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "twice"},
  };
  for (const Case& one : cases) EXPECT_REFUSED(write_raw(one.header, 8), one.words);
  const std::string sound = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(message_of(write_raw(sound, 8)), "accepted");
  EXPECT_EQ(message_of(write_raw("{}", 0)), "accepted");
}

// A sound file cut anywhere is refused.
TEST_F(Safetensors, EveryTruncationIsRefused) {
  const std::vector<float> values = {1, 2, 3};
  write_safetensors(
      folder_ + "/t.safetensors",
      std::vector<TensorToWrite>{{.name = "a", .shape = {3}, .bytes = bytes_of(values)}});
  const std::string whole = read_file(folder_ + "/t.safetensors");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_NE(message_of(write_bytes(whole.substr(0, size), "cut")), "accepted") << size;
  }
}

}  // namespace
}  // namespace farthing
