// prepare_tally.cpp - sums, first examples and their JSON; documents in blocks and blocks in
// segments.
#include <sys/resource.h>
#include <zstd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "data/prepare_work.h"

namespace farthing {
namespace {

constexpr int kPackLevel = 1;
constexpr std::size_t kHeadBytes = 24;  // of a packed block

[[noreturn]] void damaged_block() {
  throw_bad_input({".preparing", "a damaged segment", "", "", "remove the folder .preparing"});
}

template <class T>
T take_number(std::string_view& bytes) {
  T value;
  if (bytes.size() < sizeof(T)) damaged_block();
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return value;
}

std::string_view take_text(std::string_view& bytes, std::uint64_t size) {
  if (size > bytes.size()) damaged_block();
  const std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return text;
}

Json to_json(const SplitCounts& counts) {
  return {{"documents", counts.documents}, {"tokens", counts.tokens}, {"bytes", counts.bytes}};
}

SplitCounts counts_from_json(const Json& json) {
  return {json.at("documents"), json.at("tokens"), json.at("bytes")};
}

}  // namespace

void Tally::add_example(DropExample example) {
  std::size_t n_same = 0;
  for (const auto& other : examples) n_same += other.reason == example.reason ? 1 : 0;
  if (n_same < kExamplesPerReason) examples.push_back(std::move(example));
}

void Tally::add(const Tally& later) {
  if (sources.size() < later.sources.size()) sources.resize(later.sources.size());
  for (std::size_t i = 0; i < later.sources.size(); ++i) {
    SourceTally& mine = sources[i];
    const SourceTally& its = later.sources[i];
    mine.documents_in += its.documents_in;
    mine.text_bytes_in += its.text_bytes_in;
    mine.replaced += its.replaced;
    mine.lines_removed += its.lines_removed;
    mine.paragraphs_removed += its.paragraphs_removed;
    for (const auto& [reason, n] : its.dropped) mine.dropped[reason] += n;
    mine.train.add(its.train);
    mine.val.add(its.val);
  }
  for (const auto& example : later.examples) add_example(example);
  for (const auto& fault : later.faults) {
    if (faults.size() < kMaxFaultsKept) faults.push_back(fault);
  }
  n_faults += later.n_faults;
  for (const auto& [file, n] : later.contaminated) contaminated[file] += n;
}

Json to_json(const Tally& tally) {
  Json sources = Json::array(), examples = Json::array();
  for (const auto& source : tally.sources) {
    sources.push_back({{"documents_in", source.documents_in},
                       {"text_bytes_in", source.text_bytes_in},
                       {"replaced", source.replaced},
                       {"lines_removed", source.lines_removed},
                       {"paragraphs_removed", source.paragraphs_removed},
                       {"dropped", source.dropped},
                       {"train", to_json(source.train)},
                       {"val", to_json(source.val)}});
  }
  for (const auto& example : tally.examples) {
    examples.push_back({{"reason", example.reason},
                        {"place", example.place},
                        {"excerpt", example.excerpt},
                        {"value", example.value}});
  }
  return {{"sources", sources},
          {"examples", examples},
          {"faults", tally.faults},
          {"n_faults", tally.n_faults},
          {"contaminated", tally.contaminated}};
}

Tally tally_from_json(const Json& json) {
  Tally tally;
  for (const Json& source : json.at("sources")) {
    SourceTally read;
    read.documents_in = source.at("documents_in");
    read.text_bytes_in = source.at("text_bytes_in");
    read.replaced = source.at("replaced");
    read.lines_removed = source.at("lines_removed");
    read.paragraphs_removed = source.at("paragraphs_removed");
    read.dropped = source.at("dropped").get<std::map<std::string, std::int64_t>>();
    read.train = counts_from_json(source.at("train"));
    read.val = counts_from_json(source.at("val"));
    tally.sources.push_back(std::move(read));
  }
  for (const Json& example : json.at("examples")) {
    tally.examples.push_back(
        {example.at("reason"), example.at("place"), example.at("excerpt"), example.at("value")});
  }
  tally.faults = json.at("faults").get<std::vector<std::string>>();
  tally.n_faults = json.at("n_faults");
  tally.contaminated = json.at("contaminated").get<std::map<std::string, std::int64_t>>();
  return tally;
}

Json to_json(const Seconds& seconds) {
  return {{"wall", seconds.wall}, {"cpu", seconds.cpu}, {"joules", seconds.joules}};
}

Seconds seconds_from_json(const Json& json) {
  return {json.at("wall"), json.at("cpu"), json.at("joules")};
}

Stopwatch::Stopwatch(const std::function<double()>& joules) : joules_(joules) { lap(); }

Seconds Stopwatch::lap() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now().time_since_epoch();
  const Seconds now{wall.count(), seconds(usage.ru_utime) + seconds(usage.ru_stime),
                    joules_ ? joules_() : 0};
  const Seconds spent{now.wall - last_.wall, now.cpu - last_.cpu, now.joules - last_.joules};
  last_ = now;
  return spent;
}

AttemptClock::AttemptClock(std::string path, const std::function<double()>& joules)
    : path_(std::move(path)), stopwatch_(joules) {
  std::ifstream saved(path_);
  Seconds before;
  int n = 0;
  if (saved >> n >> before.wall >> before.cpu >> before.joules && n > 0) {
    attempts_ = n;
    total_ = before;
  }
  ++attempts_;
  save();
}

void AttemptClock::beat() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const Seconds spent = stopwatch_.lap();
  total_.add(spent);
  unsaved_ += spent.wall;
  if (unsaved_ >= 1) save();
}

Seconds AttemptClock::total() {
  const std::lock_guard lock(mutex_);
  total_.add(stopwatch_.lap());
  return total_;
}

// A full disk loses the count, nothing else.
void AttemptClock::save() {
  unsaved_ = 0;
  const std::string aside = path_ + ".tmp";
  std::ofstream(aside) << attempts_ << ' ' << total_.wall << ' ' << total_.cpu << ' '
                       << total_.joules << '\n';
  std::error_code ignored;
  std::filesystem::rename(aside, path_, ignored);
}

void append_document(const CleanDocument& document, std::string& block) {
  append_number(block, document.source);
  append_number(block, document.file);
  append_number(block, document.place);
  append_number(block, std::uint64_t{document.member.size()});
  append_number(block, std::uint64_t{document.metadata.size()});
  append_number(block, std::uint64_t{document.text.size()});
  block.append(document.member).append(document.metadata).append(document.text);
}

CleanDocument take_document(std::string_view& block) {
  CleanDocument document;
  document.source = take_number<std::uint32_t>(block);
  document.file = take_number<std::uint32_t>(block);
  document.place = take_number<std::int64_t>(block);
  const auto member = take_number<std::uint64_t>(block);
  const auto metadata = take_number<std::uint64_t>(block);
  const auto text = take_number<std::uint64_t>(block);
  document.member = take_text(block, member);
  document.metadata = take_text(block, metadata);
  document.text = take_text(block, text);
  return document;
}

std::string packed_block(std::string_view block, std::int64_t n_documents) {
  std::string packed(kHeadBytes + ZSTD_compressBound(block.size()), '\0');
  const std::size_t size = ZSTD_compress(packed.data() + kHeadBytes, packed.size() - kHeadBytes,
                                         block.data(), block.size(), kPackLevel);
  CHECK(ZSTD_isError(size) == 0u);
  packed.resize(kHeadBytes + size);
  const std::uint64_t sizes[3] = {static_cast<std::uint64_t>(n_documents), block.size(), size};
  std::memcpy(packed.data(), sizes, sizeof(sizes));
  return packed;
}

std::size_t unpacked_size(std::string_view packed) {
  take_number<std::uint64_t>(packed);
  return take_number<std::uint64_t>(packed);
}

std::string unpacked_block(std::string_view packed) {
  take_number<std::uint64_t>(packed);
  const auto size = take_number<std::uint64_t>(packed);
  if (take_number<std::uint64_t>(packed) != packed.size()) damaged_block();
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != size) damaged_block();
  std::string block(size, '\0');
  if (ZSTD_decompress(block.data(), size, packed.data(), packed.size()) != size) damaged_block();
  return block;
}

BlockReader::BlockReader(const Job& job, std::int64_t first_segment, std::int64_t n_segments,
                         Paragraphs paragraphs)
    : job_(job), segment_(first_segment), n_segments_(n_segments) {
  if (first_segment > 0) {
    document_ = read_json(job.segment(first_segment - 1, "json")).at("documents");
  }
  if (job.request.dedup_exact || job.request.dedup_near) {
    fates_.emplace(OffsetFile::open(job.work + "/fate.bin"));
  }
  if (!job.request.clean.drop_repeated_paragraphs || paragraphs == Paragraphs::kUnknown) return;
  paragraphs_.emplace(OffsetFile::open(job.work + "/paragraphs.bin"));
  repeated_.emplace(&*paragraphs_);
}

void BlockReader::add_findings(PackedBlock& block, std::int64_t n_documents) {
  block.fates.assign(static_cast<std::size_t>(n_documents), Fate::kKept);
  if (fates_) {
    if (document_ + n_documents > fates_->size()) damaged_block();
    fates_->read(document_, std::as_writable_bytes(std::span(block.fates)));
  }
  block.repeated.clear();
  if (!repeated_) return;
  for (const auto* next = repeated_->peek();
       next != nullptr && next->document < document_ + n_documents; next = repeated_->peek()) {
    if (next->document >= document_) block.repeated.push_back(*next);
    repeated_->pop();
  }
}

bool BlockReader::next(PackedBlock& block) {
  job_.check_stop();
  while (segment_ < n_segments_) {
    if (!file_) {
      file_.emplace(job_.segment(segment_, "text"));
      at_ = 0;
    }
    const auto bytes = file_->bytes();
    if (at_ < bytes.size()) {
      std::string_view rest(reinterpret_cast<const char*>(bytes.data()) + at_, bytes.size() - at_);
      std::string_view head = rest;
      const auto n_documents = take_number<std::uint64_t>(head);
      take_number<std::uint64_t>(head);
      const auto size = take_number<std::uint64_t>(head);
      block.bytes.assign(rest.substr(0, kHeadBytes)).append(take_text(head, size));
      block.segment = segment_;
      block.first_document = document_;
      add_findings(block, static_cast<std::int64_t>(n_documents));
      document_ += static_cast<std::int64_t>(n_documents);
      at_ += block.bytes.size();
      return true;
    }
    file_.reset();
    ++segment_;
  }
  return false;
}

}  // namespace farthing
