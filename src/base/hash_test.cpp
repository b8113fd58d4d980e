// hash_test.cpp - the hashes are XXH3 as published, and a stream equals its concatenation.
#include "base/hash.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The empty input's values are those of xxHash's own sanity check, seed 0.
TEST(Hash, EmptyInputHasThePublishedValues) {
  EXPECT_EQ(hash64(""), 0x2D06800538D394C2u);
  EXPECT_EQ(hash128_hex({}), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, SeedAndBytesMatter) {
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
  EXPECT_NE(hash128_hex(bytes_of("a")), hash128_hex(bytes_of("b")));
}

TEST(Hash, AStreamEqualsItsConcatenation) {
  const std::string text(1000, 'x');
  StreamHash stream;
  stream.add(bytes_of(std::string_view(text).substr(0, 1)));
  stream.add(bytes_of(std::string_view(text).substr(1, 500)));
  stream.add({});
  stream.add(bytes_of(std::string_view(text).substr(501)));
  EXPECT_EQ(stream.hex(), hash128_hex(bytes_of(text)));
  StreamHash moved = std::move(stream);
  moved.add(bytes_of("y"));
  EXPECT_EQ(moved.hex(), hash128_hex(bytes_of(text + "y")));
}

}  // namespace
}  // namespace farthing
