// duplicates.h - which documents of a corpus larger than memory are copies of an earlier one.
//
// Exact: equal XXH3-128 of the text.  Near: minhash.h's candidates, verified; what is connected by
// duplicates, directly or through others, is one cluster, and its first document stays.
//
//   1. (hash, document) sorted: equal hashes are copies of the first; the others' signatures go to
//      a file of their own
//   2. (band key, document) sorted: within a key each is compared with those before it that were
//      like none, its signature read where it lies -> pairs
//   3. pairs joined, a batch that fits the memory at a time: each document of the batch but the
//      first of what it hangs together with is a duplicate and gives that one its other pairs
//   4. duplicates sorted by document -> fates; by cluster -> sizes
//
// Memory   memory_bytes, however many documents; external_sort.h keeps the rest on the disk.
// Exact    the same documents for any memory.
// Errors   Error{kOutOfResource} for a full disk.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "data/minhash.h"

namespace farthing {

enum class Fate : std::uint8_t { kKept, kExactDuplicate, kNearDuplicate };

// Records of one size in files read front to back, numbered through: Hash128 of the text, then the
// fingerprint if there is one.
struct FingerprintFiles {
  std::size_t record_bytes = 0;
  std::int64_t n_files = 0;
  std::function<std::string(std::int64_t file)> path_of;

  // Errors: Error{kBadInput} for a file that is no whole number of records.
  void for_each(const std::function<void(std::int64_t document, const char* record)>& visit) const;
};

struct DedupOptions {
  bool exact = false;
  bool near = false;  // exact too
  MinHashOptions minhash;
  std::int64_t memory_bytes = std::int64_t{1} << 28;
  std::string spill_folder;  // must exist
};

struct DedupResult {
  std::int64_t n_exact = 0, n_near = 0;
  std::int64_t n_candidates = 0, n_pairs = 0;  // compared; found alike
  std::int64_t n_clusters = 0;                 // with more than one document, exact copies counted
  std::int64_t largest_cluster = 0, largest_cluster_first = -1;
  std::int64_t spilled_bytes = 0;  // by the sorts
};

// Writes a Fate for every document to `fate_path`.  REQUIRES: exact or near.
// `progress` is called often, with the share that is done.
DedupResult find_duplicates(const FingerprintFiles& files, const DedupOptions& options,
                            const std::string& fate_path,
                            const std::function<void(double share)>& progress = {});

}  // namespace farthing
