// duplicates.cpp - sort by key, compare within equal keys, join what belongs together.
#include "data/duplicates.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "data/external_sort.h"

namespace farthing {
namespace {

constexpr std::size_t kMaxRepresentatives = 16;  // of a group that a document is compared with
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::int64_t kProgressEvery = 1 << 14;  // records
constexpr std::int64_t kJoinBytes = 64;           // of memory for a pair that is being joined

struct ExactEntry {
  Hash128 hash;
  std::int64_t document;
  bool operator<(const ExactEntry& other) const {
    return hash == other.hash ? document < other.document : hash < other.hash;
  }
};

struct BandEntry {
  std::uint64_t key;
  std::int64_t document;
  bool operator<(const BandEntry& other) const {
    return key != other.key ? key < other.key : document < other.document;
  }
};

struct Pair {
  std::int64_t first, second;
};

// A duplicate, and the first document of its cluster as far as is known yet.
struct Duplicate {
  std::int64_t document, root;
  std::int64_t is_exact;
  bool operator<(const Duplicate& other) const { return document < other.document; }
};

struct Root {
  std::int64_t document;
  bool operator<(const Root& other) const { return document < other.document; }
};

// What a batch of pairs joins.
class Joined {
 public:
  explicit Joined(const std::vector<Pair>& pairs) {
    documents_.reserve(2 * pairs.size());
    for (const Pair& pair : pairs) {
      documents_.push_back(pair.first);
      documents_.push_back(pair.second);
    }
    std::sort(documents_.begin(), documents_.end());
    documents_.erase(std::unique(documents_.begin(), documents_.end()), documents_.end());
    for (std::uint32_t i = 0; i < documents_.size(); ++i) parent_.push_back(i);
    for (const Pair& pair : pairs) join(index(pair.first), index(pair.second));
  }

  // The first document of what this one hangs together with; itself when it is in no pair.
  std::int64_t root(std::int64_t document) {
    const auto at = std::lower_bound(documents_.begin(), documents_.end(), document);
    if (at == documents_.end() || *at != document) return document;
    return documents_[find(static_cast<std::uint32_t>(at - documents_.begin()))];
  }

  template <class Visit>
  void for_each_duplicate(const Visit& visit) {
    for (std::uint32_t i = 0; i < documents_.size(); ++i) {
      if (find(i) != i) visit(documents_[i], documents_[find(i)]);
    }
  }

 private:
  std::uint32_t index(std::int64_t document) const {
    return static_cast<std::uint32_t>(
        std::lower_bound(documents_.begin(), documents_.end(), document) - documents_.begin());
  }
  std::uint32_t find(std::uint32_t i) {
    while (parent_[i] != i) {
      parent_[i] = parent_[parent_[i]];
      i = parent_[i];
    }
    return i;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

  std::vector<std::int64_t> documents_;  // sorted
  std::vector<std::uint32_t> parent_;    // by the place in documents_
};

class Search {
 public:
  Search(const FingerprintFiles& files, const DedupOptions& options,
         const std::function<void(double)>& progress)
      : files_(files),
        options_(options),
        progress_(progress),
        share_(options.memory_bytes / 2),
        duplicates_(temporary("duplicates")),
        signatures_(temporary("signatures")),
        pairs_(temporary("pairs")) {}

  DedupResult run(const std::string& fate_path) {
    find_exact();
    if (options_.near) {
      find_near();
      join_pairs();
    }
    write_fates(fate_path);
    count_clusters();
    return result_;
  }

 private:
  std::string path(const char* name) const { return options_.spill_folder + "/" + name + ".spill"; }
  OffsetFile temporary(const char* name) const { return OffsetFile::temporary(path(name)); }

  // Of five steps this one is done so far.
  void show(int step, std::int64_t done, std::int64_t of) const {
    if (!progress_ || done % kProgressEvery != 0) return;
    progress_(
        (step + static_cast<double>(done) / static_cast<double>(std::max<std::int64_t>(of, 1))) /
        5);
  }

  void find_exact() {
    ExternalSort<ExactEntry> by_hash(share_, path("hashes"));
    EntryWriter<char> signatures(&signatures_, kReadBytes);
    const std::size_t signature = files_.record_bytes - signature_bytes();
    files_.for_each([&](std::int64_t document, const char* record) {
      show(0, document, document + kProgressEvery);
      ExactEntry entry{{}, document};
      std::memcpy(&entry.hash, record, sizeof(Hash128));
      by_hash.add(entry);
      for (std::size_t i = signature; i < files_.record_bytes; ++i) signatures.add(record[i]);
    });
    signatures.flush();
    n_documents_ = by_hash.size();
    by_hash.finish();
    ExternalSort<Duplicate> by_document(share_, path("copies"));
    ExactEntry first{{}, -1}, entry{};
    for (std::int64_t n = 0; by_hash.next(entry); ++n) {
      show(1, n, n_documents_);
      if (first.document >= 0 && entry.hash == first.hash) {
        by_document.add({entry.document, first.document, 1});
      } else {
        first = entry;
      }
    }
    by_document.finish();
    EntryWriter<Duplicate> writer(&duplicates_);
    for (Duplicate copy{}; by_document.next(copy);) writer.add(copy);
    writer.flush();
    result_.n_exact = by_document.size();
    result_.spilled_bytes += by_hash.spilled_bytes() + by_document.spilled_bytes();
  }

  void find_near() {
    const MinHasher hasher(options_.minhash);
    ExternalSort<BandEntry> by_key(share_, path("bands"));
    EntryStream<Duplicate> copies(&duplicates_);
    files_.for_each([&](std::int64_t document, const char* record) {
      show(2, document, n_documents_);
      if (copies.peek() != nullptr && copies.peek()->document == document) return copies.pop();
      for (int band = 0; band < options_.minhash.bands; ++band) {
        const std::uint64_t key = hasher.band_key(record + sizeof(Hash128), band);
        if (key == 0) break;  // no word
        by_key.add({key, document});
      }
    });
    by_key.finish();
    result_.spilled_bytes += by_key.spilled_bytes();
    compare(by_key, hasher);
  }

  std::size_t signature_bytes() const {
    return options_.near ? MinHasher(options_.minhash).signature_bytes() : 0;
  }

  std::string signature(std::int64_t document, const MinHasher& hasher) const {
    std::string read(hasher.signature_bytes(), '\0');
    signatures_.read(document * std::ssize(read), std::as_writable_bytes(std::span(read)));
    return read;
  }

  // Each document of a group is compared with those before it that were like none.
  void compare(ExternalSort<BandEntry>& by_key, const MinHasher& hasher) {
    const double threshold = hasher.threshold();
    EntryWriter<Pair> pairs(&pairs_);
    std::vector<std::pair<std::int64_t, std::string>> representatives;
    BandEntry before{0, -1}, entry{};
    for (std::int64_t n = 0; by_key.next(entry); ++n) {
      show(3, n, by_key.size());
      const bool is_first = entry.key != before.key;
      if (is_first) representatives.clear();
      before = is_first ? entry : before;
      if (is_first) continue;  // most keys stand once: nothing is read for them
      if (representatives.empty()) {
        representatives.emplace_back(before.document, signature(before.document, hasher));
      }
      std::string mine = signature(entry.document, hasher);
      const auto alike = std::find_if(
          representatives.begin(), representatives.end(), [&](const auto& representative) {
            ++result_.n_candidates;
            return hasher.similarity(representative.second.data(), mine.data()) >= threshold;
          });
      if (alike != representatives.end()) {
        ++result_.n_pairs;
        pairs.add({alike->first, entry.document});
      } else if (representatives.size() < kMaxRepresentatives) {
        representatives.emplace_back(entry.document, std::move(mine));
      }
    }
    pairs.flush();
  }

  void join_pairs() {
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(share_ / kJoinBytes, 1));
    while (pairs_.size() > 0) {
      EntryStream<Pair> stream(&pairs_);
      std::vector<Pair> batch;
      for (; batch.size() < most && stream.peek() != nullptr; stream.pop()) {
        batch.push_back(*stream.peek());
      }
      Joined joined(batch);
      batch = std::vector<Pair>();
      add_duplicates(joined);
      keep_pairs(stream, joined);
    }
  }

  void add_duplicates(Joined& joined) {
    OffsetFile known = temporary("duplicates");
    EntryWriter<Duplicate> writer(&known);
    EntryStream<Duplicate> before(&duplicates_);
    for (; before.peek() != nullptr; before.pop()) {
      Duplicate duplicate = *before.peek();
      duplicate.root = joined.root(duplicate.root);
      writer.add(duplicate);
    }
    joined.for_each_duplicate([&](std::int64_t document, std::int64_t root) {
      writer.add({document, root, 0});
      ++result_.n_near;
    });
    writer.flush();
    duplicates_ = std::move(known);
  }

  // Those that the stream has left, between what the batch left over.
  void keep_pairs(EntryStream<Pair>& stream, Joined& joined) {
    OffsetFile left = temporary("pairs");
    EntryWriter<Pair> writer(&left);
    for (std::int64_t n = 0; stream.peek() != nullptr; stream.pop()) {
      show(4, n++, n_documents_ * options_.minhash.bands);
      const Pair pair{joined.root(stream.peek()->first), joined.root(stream.peek()->second)};
      if (pair.first != pair.second) writer.add(pair);
    }
    writer.flush();
    pairs_ = std::move(left);
  }

  void write_fates(const std::string& fate_path) {
    ExternalSort<Duplicate> by_document(share_, path("fates"));
    EntryStream<Duplicate> stream(&duplicates_);
    for (; stream.peek() != nullptr; stream.pop()) by_document.add(*stream.peek());
    by_document.finish();
    FileWriter writer(fate_path);
    std::string fates;
    Duplicate next{-1, -1, 0};
    bool more = by_document.next(next);
    for (std::int64_t document = 0; document < n_documents_; ++document) {
      Fate fate = Fate::kKept;
      if (more && next.document == document) {
        fate = next.is_exact != 0 ? Fate::kExactDuplicate : Fate::kNearDuplicate;
        more = by_document.next(next);
      }
      fates.push_back(static_cast<char>(fate));
      if (fates.size() < kReadBytes) continue;
      writer.write(fates);
      fates.clear();
    }
    CHECK(!more, "a document is a duplicate twice");
    writer.write(fates);
    writer.finish();
    result_.spilled_bytes += by_document.spilled_bytes();
  }

  void count_clusters() {
    ExternalSort<Root> by_root(share_, path("roots"));
    EntryStream<Duplicate> stream(&duplicates_);
    for (; stream.peek() != nullptr; stream.pop()) by_root.add({stream.peek()->root});
    by_root.finish();
    std::int64_t size = 0, before = -1;
    for (Root root{}; by_root.next(root); before = root.document) {
      size = root.document == before ? size + 1 : 2;
      if (size == 2) ++result_.n_clusters;
      if (size <= result_.largest_cluster) continue;
      result_.largest_cluster = size;
      result_.largest_cluster_first = root.document;
    }
    result_.spilled_bytes += by_root.spilled_bytes();
  }

  const FingerprintFiles& files_;
  const DedupOptions& options_;
  const std::function<void(double)>& progress_;
  const std::int64_t share_;  // of the memory: two sorts are there at once
  std::int64_t n_documents_ = 0;
  OffsetFile duplicates_;  // Duplicate each
  OffsetFile signatures_;  // of all documents
  OffsetFile pairs_;
  DedupResult result_;
};

}  // namespace

void FingerprintFiles::for_each(const std::function<void(std::int64_t, const char*)>& visit) const {
  std::int64_t document = 0;
  std::string buffer;
  const std::size_t most = std::max(kReadBytes / record_bytes, std::size_t{1}) * record_bytes;
  for (std::int64_t number = 0; number < n_files; ++number) {
    const std::string path = path_of(number);
    const OffsetFile file = OffsetFile::open(path);
    const auto size = static_cast<std::size_t>(file.size());
    if (size % record_bytes != 0) {
      throw_bad_input({path, "damaged fingerprints", std::to_string(size) + " bytes",
                       "a multiple of " + std::to_string(record_bytes), ""});
    }
    for (std::size_t at = 0; at < size; at += buffer.size()) {
      buffer.resize(std::min(most, size - at));
      file.read(static_cast<std::int64_t>(at), std::as_writable_bytes(std::span(buffer)));
      for (std::size_t begin = 0; begin < buffer.size(); begin += record_bytes) {
        visit(document++, buffer.data() + begin);
      }
    }
  }
}

DedupResult find_duplicates(const FingerprintFiles& files, const DedupOptions& options,
                            const std::string& fate_path,
                            const std::function<void(double)>& progress) {
  CHECK(options.exact || options.near);
  return Search(files, options, progress).run(fate_path);
}

}  // namespace farthing
