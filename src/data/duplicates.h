// duplicates.h - which documents of a corpus larger than memory are copies of an earlier one.
//
// Exact: equal XXH3-128 of the text.  Near: minhash.h's candidates, verified; what is connected by
// duplicates, directly or through others, is one cluster, and its first document stays.
// Fingerprints are read from mapped files; the (key, document) pairs are split by key into parts
// that fit the memory, on disk if need be, and every part is sorted by itself.
//
// Memory   5 bytes a document, and `memory_bytes` for the parts.
// Exact    the same documents for any number of threads and any memory.
// Errors   Error{kOutOfResource}: more documents than 5 bytes each fit in half of memory_bytes, or
//          a full disk.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/minhash.h"

namespace farthing {

enum class Fate : std::uint8_t { kKept, kExactDuplicate, kNearDuplicate };

// Records of one size in several files, numbered through: Hash128 of the text, then the fingerprint
// if there is one.
class FingerprintFiles {
 public:
  explicit FingerprintFiles(std::size_t record_bytes) : record_bytes_(record_bytes) {}
  void add(const std::string& path);
  std::int64_t size() const { return size_; }
  const char* record(std::int64_t document) const;  // O(log files)

 private:
  std::size_t record_bytes_;
  std::int64_t size_ = 0;
  std::vector<MappedFile> files_;
  std::vector<std::int64_t> first_;  // document of each file
};

struct DedupOptions {
  bool exact = false;
  bool near = false;  // exact too
  MinHashOptions minhash;
  std::int64_t memory_bytes = std::int64_t{1} << 30;
  int n_threads = 1;
  std::string spill_folder;  // must exist
};

struct DedupResult {
  std::vector<Fate> fate;
  std::int64_t n_exact = 0, n_near = 0;
  std::int64_t n_candidates = 0, n_pairs = 0;  // compared; found alike
  std::int64_t n_clusters = 0;                 // with more than one document, exact copies counted
  std::int64_t largest_cluster = 0, largest_cluster_first = -1;
  std::int64_t spilled_bytes = 0;
};

DedupResult find_duplicates(const FingerprintFiles& files, const DedupOptions& options,
                            const std::function<void(double share)>& progress = {});

}  // namespace farthing
