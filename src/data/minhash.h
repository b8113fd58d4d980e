// minhash.h - a document as a short signature whose agreement estimates how much two texts share.
//
//   shingles    all runs of `ngram` words; a word is a run of ASCII letters and digits, in lower
//               case, and of bytes above 127; a document of fewer words is one shingle
//   signature   for each of bands * rows functions h_i(x) = (x ^ s_i) * a_i mod 2^32 (a_i odd) the
//               least value over the shingles:  P(equal) = |A and B| / |A or B|, the Jaccard index
//               J
//   candidates  two documents that agree in all `rows` of one of the `bands`:
//               P = 1 - (1 - J^rows)^bands: 0.56 at J = 0.7, 0.92 at 0.8, 0.99 at 0.85 by default
//   duplicates  candidates whose estimate of J over all functions, from their low bytes, is at
//   least
//               `jaccard` less one standard error
//
// Source   Broder 1997; LSH with 14 bands of 8 over 5-word shingles: Penedo et al. 2024 (FineWeb,
//          arXiv:2406.17557).
// Cost     bands * rows multiplications a word, 16 at a time with AVX-512, 8 with AVX2.
// Exact    the same on every machine.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

struct MinHashOptions {
  int ngram = 5;
  int bands = 14;
  int rows = 8;
  double jaccard = 0.8;
  std::uint64_t seed = 1;
};

inline constexpr int kMaxHashes = 256;

// Hashes of the shingles of a text, in order; empty when it has no word.
void append_shingles(std::string_view text, int ngram, std::vector<std::uint32_t>& shingles);

class MinHasher {
 public:
  // Errors: Error{kBadInput} for parameters out of range.
  explicit MinHasher(const MinHashOptions& options);
  const MinHashOptions& options() const { return options_; }

  // What is stored of a document: band keys (u64 each), then a byte of every function; all zero
  // when it has no word.
  std::size_t fingerprint_bytes() const;
  // Appends fingerprint_bytes() bytes.  Thread-safe.
  void append_fingerprint(std::string_view text, std::string& out) const;
  std::uint64_t band_key(const char* fingerprint, int band) const;
  // The byte of every function, behind the keys.
  std::size_t signature_bytes() const { return static_cast<std::size_t>(n_hashes_); }
  const char* signature(const char* fingerprint) const { return fingerprint + options_.bands * 8; }
  // The estimate of J from two signatures; unbiased.
  double similarity(const char* a, const char* b) const;
  // Least estimate that counts as a duplicate.
  double threshold() const;

 private:
  MinHashOptions options_;
  int n_hashes_;
  std::vector<std::uint32_t> xors_, factors_;  // padded to a multiple of 16
};

}  // namespace farthing
