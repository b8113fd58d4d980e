// duplicates.cpp - split by key, sort each part, compare within groups, join what belongs together.
#include "data/duplicates.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/pipeline.h"
#include "base/units.h"
#include "data/key_parts.h"

namespace farthing {
namespace {

constexpr std::size_t kMaxRepresentatives = 16;  // of a group that a document is compared with

struct ExactEntry {
  Hash128 hash;
  std::uint32_t document;
  bool operator<(const ExactEntry& other) const {
    return hash == other.hash ? document < other.document : hash < other.hash;
  }
};

struct BandEntry {
  std::uint64_t key;
  std::uint32_t document;
  bool operator<(const BandEntry& other) const {
    return key != other.key ? key < other.key : document < other.document;
  }
};

// Sets of documents; the root of a set is its first document.
class Clusters {
 public:
  explicit Clusters(std::int64_t n) : parent_(static_cast<std::size_t>(n)) {
    for (std::size_t i = 0; i < parent_.size(); ++i) parent_[i] = static_cast<std::uint32_t>(i);
  }
  std::uint32_t root(std::uint32_t document) {
    while (parent_[document] != document) {
      parent_[document] = parent_[parent_[document]];
      document = parent_[document];
    }
    return document;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = root(a);
    b = root(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

struct Found {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  std::int64_t n_candidates = 0;
};

Found exact_pairs(std::vector<ExactEntry> entries) {
  Found found;
  for (std::size_t first = 0, i = 0; i < entries.size(); ++i) {
    if (!(entries[i].hash == entries[first].hash)) first = i;
    if (i > first) found.pairs.emplace_back(entries[first].document, entries[i].document);
  }
  return found;
}

// Each document of a group is compared with those before it that were like none.
Found near_pairs(const std::vector<BandEntry>& entries, const FingerprintFiles& files,
                 const MinHasher& hasher) {
  Found found;
  const double threshold = hasher.threshold();
  const auto fingerprint = [&](std::uint32_t document) {
    return files.record(document) + sizeof(Hash128);
  };
  std::vector<std::uint32_t> representatives;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i].key != entries[i - 1].key) representatives.clear();
    const std::uint32_t document = entries[i].document;
    const auto alike =
        std::find_if(representatives.begin(), representatives.end(), [&](std::uint32_t other) {
          ++found.n_candidates;
          return hasher.similarity(fingerprint(other), fingerprint(document)) >= threshold;
        });
    if (alike != representatives.end()) {
      found.pairs.emplace_back(*alike, document);
    } else if (representatives.size() < kMaxRepresentatives) {
      representatives.push_back(document);
    }
  }
  return found;
}

class Search {
 public:
  Search(const FingerprintFiles& files, const DedupOptions& options,
         const std::function<void(double)>& progress)
      : files_(files), options_(options), progress_(progress), clusters_(files.size()) {
    result_.fate.assign(static_cast<std::size_t>(files.size()), Fate::kKept);
  }

  DedupResult run() {
    find_exact();
    if (options_.near) find_near();
    count_clusters();
    return std::move(result_);
  }

 private:
  // Every part through `pairs_of` on all threads; their pairs in order to `use`.
  template <class Entry, class PairsOf, class Use>
  void go_through(KeyParts<Entry>& parts, const PairsOf& pairs_of, const Use& use) {
    parts.finish();
    result_.spilled_bytes += parts.spilled_bytes();
    std::size_t next = 0, done = 0;
    run_pipeline<std::vector<Entry>, Found>(
        {.n_threads = options_.n_threads, .max_in_flight = options_.n_threads},
        [&](std::vector<Entry>& entries, std::int64_t&) {
          if (next == parts.size()) return false;
          entries = parts.take(next++);
          return true;
        },
        [&](std::vector<Entry>& entries) { return pairs_of(std::move(entries)); },
        [&](Found& found) {
          result_.n_candidates += found.n_candidates;
          for (const auto& [a, b] : found.pairs) use(a, b);
          if (progress_) progress_(static_cast<double>(++done) / static_cast<double>(parts.size()));
        });
  }

  template <class Entry>
  KeyParts<Entry> make_parts(std::int64_t n_entries) const {
    const std::int64_t all = static_cast<std::int64_t>(sizeof(Entry)) * n_entries;
    const std::int64_t budget = options_.memory_bytes / 2;
    return KeyParts<Entry>(n_entries, budget / (2 * options_.n_threads), all > budget,
                           options_.spill_folder);
  }

  void find_exact() {
    auto parts = make_parts<ExactEntry>(files_.size());
    for (std::int64_t document = 0; document < files_.size(); ++document) {
      ExactEntry entry{{}, static_cast<std::uint32_t>(document)};
      std::memcpy(&entry.hash, files_.record(document), sizeof(Hash128));
      parts.add(entry.hash.high, entry);
    }
    go_through(parts, exact_pairs, [&](std::uint32_t first, std::uint32_t copy) {
      result_.fate[copy] = Fate::kExactDuplicate;
      ++result_.n_exact;
      clusters_.join(first, copy);
    });
  }

  void find_near() {
    const MinHasher hasher(options_.minhash);
    const std::int64_t n_left = files_.size() - result_.n_exact;
    auto parts = make_parts<BandEntry>(n_left * options_.minhash.bands);
    for (std::int64_t document = 0; document < files_.size(); ++document) {
      if (result_.fate[static_cast<std::size_t>(document)] != Fate::kKept) continue;
      const char* const fingerprint = files_.record(document) + sizeof(Hash128);
      for (int band = 0; band < options_.minhash.bands; ++band) {
        const std::uint64_t key = hasher.band_key(fingerprint, band);
        if (key == 0) break;  // no word
        parts.add(key, {key, static_cast<std::uint32_t>(document)});
      }
    }
    go_through(
        parts,
        [&](const std::vector<BandEntry>& entries) { return near_pairs(entries, files_, hasher); },
        [&](std::uint32_t a, std::uint32_t b) {
          ++result_.n_pairs;
          clusters_.join(a, b);
        });
  }

  void count_clusters() {
    std::unordered_map<std::uint32_t, std::int64_t> sizes;  // of those with more than one
    for (std::int64_t document = 0; document < files_.size(); ++document) {
      const std::uint32_t root = clusters_.root(static_cast<std::uint32_t>(document));
      if (root == document) continue;
      Fate& fate = result_.fate[static_cast<std::size_t>(document)];
      if (fate == Fate::kKept) {
        fate = Fate::kNearDuplicate;
        ++result_.n_near;
      }
      const std::int64_t size = ++sizes[root] + 1;
      const bool first = size == result_.largest_cluster && root < result_.largest_cluster_first;
      if (size > result_.largest_cluster || first) {
        result_.largest_cluster = size;
        result_.largest_cluster_first = root;
      }
    }
    result_.n_clusters = static_cast<std::int64_t>(sizes.size());
  }

  const FingerprintFiles& files_;
  const DedupOptions& options_;
  const std::function<void(double)>& progress_;
  Clusters clusters_;
  DedupResult result_;
};

}  // namespace

void FingerprintFiles::add(const std::string& path) {
  files_.emplace_back(path);
  first_.push_back(size_);
  const std::size_t bytes = files_.back().bytes().size();
  if (bytes % record_bytes_ != 0) {
    throw_bad_input({path, "damaged fingerprints", std::to_string(bytes) + " bytes",
                     "a multiple of " + std::to_string(record_bytes_), ""});
  }
  size_ += static_cast<std::int64_t>(bytes / record_bytes_);
}

const char* FingerprintFiles::record(std::int64_t document) const {
  DCHECK(document >= 0 && document < size_);
  const auto next = std::upper_bound(first_.begin(), first_.end(), document);
  const auto file = static_cast<std::size_t>(next - first_.begin()) - 1;
  const auto index = static_cast<std::size_t>(document - first_[file]);
  return reinterpret_cast<const char*>(files_[file].bytes().data()) + index * record_bytes_;
}

DedupResult find_duplicates(const FingerprintFiles& files, const DedupOptions& options,
                            const std::function<void(double)>& progress) {
  const std::int64_t most =
      std::min<std::int64_t>(options.memory_bytes / 10, std::numeric_limits<std::uint32_t>::max());
  if (files.size() > most) {
    throw Error(ErrorCode::kOutOfResource,
                std::to_string(files.size()) +
                    " documents: finding duplicates among them takes 5 "
                    "bytes each, more than half of --memory; give it " +
                    format_bytes(static_cast<double>(files.size()) * 10) + " or more");
  }
  if (!options.exact && !options.near) {
    DedupResult all_kept;
    all_kept.fate.assign(static_cast<std::size_t>(files.size()), Fate::kKept);
    return all_kept;
  }
  return Search(files, options, progress).run();
}

}  // namespace farthing
