// minhash.cpp - words to shingles to minima; the one hot loop is compiled for three instruction
// sets.
#include "data/minhash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include "base/error.h"
#include "base/hash.h"

namespace farthing {
namespace {

constexpr std::uint64_t kWordFactor = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kGramFactor = 0xD6E8FEB86659FD93;
constexpr std::size_t kLanes = 16;
constexpr std::size_t kMostShinglesKept = std::size_t{1} << 20;  // of a document, for the next one
constexpr double kChanceAgreement = 1.0 / 256;  // of two unequal minima's low bytes

// 0 for what separates words, else the byte in lower case.
constexpr std::array<unsigned char, 256> make_word_bytes() {
  std::array<unsigned char, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 128;
    table[static_cast<std::size_t>(c)] = static_cast<unsigned char>(!word   ? 0
                                                                    : upper ? c - 'A' + 'a'
                                                                            : c);
  }
  return table;
}
constexpr auto kWordBytes = make_word_bytes();

std::uint32_t mixed(std::uint64_t gram) {
  gram ^= gram >> 32;
  gram *= kWordFactor;
  return static_cast<std::uint32_t>(gram >> 32);
}

struct Family {
  const std::uint32_t* xors;
  const std::uint32_t* factors;
  std::size_t n;  // a multiple of kLanes
};

#define FARTHING_MINIMA_BODY                                                              \
  for (std::size_t first = 0; first < family.n; first += kLanes) {                        \
    std::uint32_t least[kLanes], x[kLanes], a[kLanes];                                    \
    for (std::size_t lane = 0; lane < kLanes; ++lane) {                                   \
      least[lane] = minima[first + lane];                                                 \
      x[lane] = family.xors[first + lane];                                                \
      a[lane] = family.factors[first + lane];                                             \
    }                                                                                     \
    for (const std::uint32_t shingle : shingles) {                                        \
      for (std::size_t lane = 0; lane < kLanes; ++lane) {                                 \
        const std::uint32_t value = (shingle ^ x[lane]) * a[lane];                        \
        least[lane] = value < least[lane] ? value : least[lane];                          \
      }                                                                                   \
    }                                                                                     \
    for (std::size_t lane = 0; lane < kLanes; ++lane) minima[first + lane] = least[lane]; \
  }

using Minima = void (*)(std::span<const std::uint32_t>, const Family&, std::uint32_t*);

void minima_plain(std::span<const std::uint32_t> shingles, const Family& family,
                  std::uint32_t* minima) {
  FARTHING_MINIMA_BODY
}
__attribute__((target("avx2"))) void minima_avx2(std::span<const std::uint32_t> shingles,
                                                 const Family& family, std::uint32_t* minima) {
  FARTHING_MINIMA_BODY
}
__attribute__((target("avx512f,prefer-vector-width=512"))) void minima_avx512(
    std::span<const std::uint32_t> shingles, const Family& family,
    std::uint32_t* minima){FARTHING_MINIMA_BODY}
#undef FARTHING_MINIMA_BODY

Minima select_minima() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return minima_avx512;
  if (__builtin_cpu_supports("avx2")) return minima_avx2;
  return minima_plain;
}

void check_range(const char* what, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw_bad_input({std::string("dedup.") + what, "out of range", std::to_string(value),
                   std::to_string(low) + " to " + std::to_string(high), ""});
}

}  // namespace

void append_shingles(std::string_view text, int ngram, std::vector<std::uint32_t>& shingles) {
  std::uint64_t ring[64] = {};
  std::uint64_t leaving = 1;  // kGramFactor^ngram: what the word that falls out was multiplied by
  for (int i = 0; i < ngram; ++i) leaving *= kGramFactor;
  std::uint64_t gram = 0;
  std::int64_t n_words = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    unsigned char c = kWordBytes[static_cast<unsigned char>(text[at])];
    if (c == 0) {
      ++at;
      continue;
    }
    std::uint64_t word = 0xCBF29CE484222325;
    while (c != 0) {
      word = (word ^ c) * 0x100000001B3;
      c = ++at < text.size() ? kWordBytes[static_cast<unsigned char>(text[at])] : 0;
    }
    word = (word ^ word >> 29) * kWordFactor;
    const auto slot = static_cast<std::size_t>(n_words % ngram);
    gram = gram * kGramFactor + word - ring[slot] * leaving;
    ring[slot] = word;
    if (++n_words >= ngram) shingles.push_back(mixed(gram));
  }
  if (n_words > 0 && n_words < ngram) shingles.push_back(mixed(gram));
}

MinHasher::MinHasher(const MinHashOptions& options)
    : options_(options), n_hashes_(options.bands * options.rows) {
  check_range("ngram", options.ngram, 1, 64);
  check_range("bands", options.bands, 1, kMaxHashes);
  check_range("rows", options.rows, 1, kMaxHashes);
  check_range("bands * rows", n_hashes_, 1, kMaxHashes);
  check_range("jaccard", options.jaccard, 0.05, 1);
  const auto padded = (static_cast<std::size_t>(n_hashes_) + kLanes - 1) / kLanes * kLanes;
  for (std::size_t i = 0; i < padded; ++i) {
    const std::uint64_t number[2] = {options.seed, i};
    const Hash128 bits = hash128({reinterpret_cast<const char*>(number), sizeof(number)});
    xors_.push_back(static_cast<std::uint32_t>(bits.high));
    factors_.push_back(static_cast<std::uint32_t>(bits.low) | 1);
  }
}

std::size_t MinHasher::fingerprint_bytes() const {
  return static_cast<std::size_t>(options_.bands) * 8 + static_cast<std::size_t>(n_hashes_);
}

void MinHasher::append_fingerprint(std::string_view text, std::string& out) const {
  static const Minima minima_of = select_minima();
  thread_local std::vector<std::uint32_t> shingles;
  shingles.clear();
  append_shingles(text, options_.ngram, shingles);
  const std::size_t begin = out.size();
  out.resize(begin + fingerprint_bytes());
  if (shingles.empty()) return;
  std::uint32_t minima[kMaxHashes + kLanes];
  std::fill_n(minima, factors_.size(), ~std::uint32_t{0});
  minima_of(shingles, {xors_.data(), factors_.data(), factors_.size()}, minima);
  if (shingles.capacity() > kMostShinglesKept) shingles = std::vector<std::uint32_t>();
  char* at = out.data() + begin;
  const auto rows = static_cast<std::size_t>(options_.rows);
  for (int band = 0; band < options_.bands; ++band, at += 8) {
    const auto* first =
        reinterpret_cast<const char*>(minima + static_cast<std::size_t>(band) * rows);
    const std::uint64_t key = hash64({first, rows * 4}, static_cast<std::uint64_t>(band) + 1) | 1;
    std::memcpy(at, &key, 8);
  }
  for (int i = 0; i < n_hashes_; ++i) *at++ = static_cast<char>(minima[i] & 0xFF);
}

std::uint64_t MinHasher::band_key(const char* fingerprint, int band) const {
  std::uint64_t key;
  std::memcpy(&key, fingerprint + band * 8, 8);
  return key;
}

double MinHasher::similarity(const char* a, const char* b) const {
  int equal = 0;
  for (int i = 0; i < n_hashes_; ++i) equal += a[i] == b[i] ? 1 : 0;
  const double share = static_cast<double>(equal) / n_hashes_;
  return std::max(0.0, (share - kChanceAgreement) / (1 - kChanceAgreement));
}

double MinHasher::threshold() const {
  const double j = options_.jaccard;
  return j - std::sqrt(j * (1 - j) / n_hashes_);
}

}  // namespace farthing
