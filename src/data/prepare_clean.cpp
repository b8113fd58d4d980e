// prepare_clean.cpp - stage 1: read, repair, normalise, judge, fingerprint; segments as it goes.
#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/pipeline.h"
#include "data/contamination.h"
#include "data/prepare_work.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kCleanBatchBytes = std::size_t{1} << 20;
constexpr std::size_t kBatchRecords = 4096;
constexpr std::size_t kExcerptBytes = 160;
// Where reading goes on: `ordinal` records of that file are done.
struct Place {
  int source = 0, file = 0;
  std::int64_t ordinal = 0;
};

struct RawBatch {
  std::string bytes;
  std::vector<RawRecord> records;
  int source = 0;
  Place end;
  double consumed = 0;
};

struct CleanBatch {
  Tally tally;
  std::string packed, prints;
  std::int64_t n_documents = 0, n_held_out = 0, text_bytes = 0;
  Place end;
  double consumed = 0;
};

class BatchReader {
 public:
  BatchReader(const Job& job, const Place& begin) : job_(job), source_(begin.source) {
    for (int i = 0; i < source_; ++i) {
      consumed_ += static_cast<double>(job.sources[static_cast<std::size_t>(i)].file_bytes);
    }
    if (begin.file == 0 && begin.ordinal == 0) return;
    open();
    reader_->skip_to(begin.file, begin.ordinal);
  }

  bool next(RawBatch& batch) {
    job_.check_stop();
    if (fault_) std::rethrow_exception(fault_);
    batch.source = source_;
    while (source_ < static_cast<int>(job_.sources.size())) {
      if (!reader_) open();
      RawRecord record;
      bool more = true;
      while (batch.bytes.size() < kCleanBatchBytes && batch.records.size() < kBatchRecords) {
        more = read(batch, record);
        if (!more) break;
        batch.records.push_back(record);
      }
      batch.consumed = consumed_ + static_cast<double>(reader_->bytes_consumed());
      batch.end = {source_, reader_->file(), reader_->ordinal()};
      if (!more && fault_) return true;
      if (!more) {
        consumed_ += static_cast<double>(reader_->bytes_consumed());
        reader_.reset();
        batch.end = {++source_, 0, 0};
      }
      if (!batch.records.empty()) return true;
      batch.source = source_;
    }
    return false;
  }

 private:
  // What is wrong with a file is said after the records before it were judged.
  bool read(RawBatch& batch, RawRecord& record) {
    try {
      return reader_->next(batch.bytes, record);
    } catch (const Error&) {
      if (batch.records.empty()) throw;
      batch.bytes.resize(batch.records.back().begin + batch.records.back().size);
      fault_ = std::current_exception();
      return false;
    }
  }

  void open() {
    const auto& files = job_.sources[static_cast<std::size_t>(source_)].files;
    ReadOptions reading = job_.request.reading;
    reading.max_held_bytes = std::min(kMaxTextBytes, job_.longest_document());
    reader_.emplace(files, reading);
  }

  const Job& job_;
  int source_;
  double consumed_ = 0;
  std::optional<RecordReader> reader_;
  std::exception_ptr fault_;
};

std::string excerpt(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  std::string shown = mend_utf8(text.substr(begin, kExcerptBytes), nullptr);
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return shown + (text.size() - begin > kExcerptBytes ? " ..." : "");
}

// What is done to every record of a batch; one per stage, used by all threads.
class Cleaner {
 public:
  explicit Cleaner(const Job& job)
      : job_(job),
        request_(job.request),
        filter_(request_.clean),
        contamination_(request_.clean, request_.reading) {
    if (request_.dedup_near) hasher_.emplace(request_.minhash);
  }

  CleanBatch clean(const RawBatch& batch) const {
    CleanBatch made;
    made.tally.sources.resize(job_.sources.size());
    made.end = batch.end;
    made.consumed = batch.consumed;
    RecordParser parser(request_.reading);
    RawDocument document;
    std::string block;
    for (const RawRecord& record : batch.records) {
      const auto source = static_cast<std::size_t>(batch.source);
      ++made.tally.sources[source].documents_in;
      const std::string reason = judge(batch, record, parser, document, made.tally);
      if (!reason.empty()) {
        made.tally.drop(source, reason);
        continue;
      }
      keep(record, source, document, block, made);
    }
    if (made.n_documents > 0) made.packed = packed_block(block, made.n_documents);
    return made;
  }

  const Contamination& contamination() const { return contamination_; }
  bool has_fingerprints() const { return hasher_.has_value(); }

 private:
  const std::string& path_of(const RawBatch& batch, const RawRecord& record) const {
    return job_.sources[static_cast<std::size_t>(batch.source)]
        .files[static_cast<std::size_t>(record.file)];
  }

  // Why the record is dropped; "" when it stays.
  std::string judge(const RawBatch& batch, const RawRecord& record, RecordParser& parser,
                    RawDocument& document, Tally& tally) const {
    const auto add_fault = [&](const std::string& message) {
      ++tally.n_faults;
      if (tally.faults.size() < kMaxFaultsKept) tally.faults.push_back(message);
      return std::string("unreadable");
    };
    if (record.kind == RawRecord::Kind::kDropped) {
      tally.add_example({record.note, describe_place(path_of(batch, record), record), "", 0});
      return record.note;
    }
    if (record.kind == RawRecord::Kind::kFault) return add_fault(record.note);
    SourceTally& source = tally.sources[static_cast<std::size_t>(batch.source)];
    source.text_bytes_in += static_cast<std::int64_t>(record.size);
    parser.parse(record, std::string_view(batch.bytes).substr(record.begin, record.size), document);
    source.replaced += document.replaced;
    if (document.replaced > 0) {
      tally.add_example({"invalid UTF-8 (repaired)",
                         describe_place(path_of(batch, record), record) + " at byte " +
                             std::to_string(document.first_replaced),
                         "", static_cast<double>(document.replaced)});
    }
    if (!document.fault.empty()) {
      const std::string place = describe_place(path_of(batch, record), record);
      if (!request_.reading.skip_faults && !request_.reading.skip_bad_lines) {
        throw_bad_line(place, document.fault, request_.reading.text_key);
      }
      return add_fault(place + ": " + document.fault);
    }
    if (request_.clean.normalise) document.text = normalised(document.text);
    if (is_blank(document.text)) return "empty";
    const Verdict verdict = filter_.apply(document.text);
    source.lines_removed += verdict.lines_removed;
    const auto drop = [&](const char* reason, double value) {
      tally.add_example(
          {reason, describe_place(path_of(batch, record), record), excerpt(document.text), value});
      return std::string(reason);
    };
    if (verdict.rule != nullptr) return drop(verdict.rule, verdict.measured);
    if (is_blank(document.text)) return drop("no_lines_left", 0);
    if (contamination_.is_empty()) return "";
    const auto found = contamination_.find(document.text);
    if (found.file.empty()) return "";
    ++tally.contaminated[found.file];
    const char* const what = "contamination";
    if (request_.clean.drop_contaminated) return drop(what, static_cast<double>(found.n_ngrams));
    tally.add_example({"contamination (kept)", describe_place(path_of(batch, record), record),
                       excerpt(document.text), static_cast<double>(found.n_ngrams)});
    return "";
  }

  void keep(const RawRecord& record, std::size_t source, const RawDocument& document,
            std::string& block, CleanBatch& made) const {
    const auto provenance = request_.reading.keep_metadata;
    append_document(
        {static_cast<std::uint32_t>(source), static_cast<std::uint32_t>(record.file), record.place,
         provenance ? std::string_view(record.member) : "", document.metadata, document.text},
        block);
    ++made.n_documents;
    made.n_held_out += is_held_out(document.text, request_.val_fraction) ? 1 : 0;
    made.text_bytes += static_cast<std::int64_t>(document.text.size());
    if (!request_.dedup_exact && !request_.dedup_near) return;
    const Hash128 hash = hash128(document.text);
    made.prints.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
    if (hasher_) hasher_->append_fingerprint(document.text, made.prints);
  }

  const Job& job_;
  const PrepareRequest& request_;
  QualityFilter filter_;
  Contamination contamination_;
  std::optional<MinHasher> hasher_;
};

// Collects batches into segments and saves each with what is needed to go on behind it.
class SegmentWriter {
 public:
  explicit SegmentWriter(const Job& job) : job_(job), stopwatch_(job.request.joules) {
    result_.tally.sources.resize(job.sources.size());
    load();
  }

  const Place& place() const { return place_; }
  CleanResult& result() { return result_; }

  void add(CleanBatch& batch) {
    place_ = batch.end;
    result_.tally.add(batch.tally);
    result_.n_documents += batch.n_documents;
    result_.n_held_out += batch.n_held_out;
    text_bytes_ += batch.text_bytes;
    text_ += batch.packed;
    prints_ += batch.prints;
    has_unsaved_ = true;
    const auto most = std::max(text_bytes_, static_cast<std::int64_t>(prints_.size()));
    if (most >= job_.segment_bytes) save(false);
  }

  void save(bool is_last) {
    if (!has_unsaved_ && !(is_last && !finished_)) return;
    const auto write = [&](const char* ending, const std::string& bytes) {
      FileWriter writer(job_.segment(result_.n_segments, ending));
      writer.write(bytes);
      writer.finish();
    };
    write("text", text_);
    write("print", prints_);
    result_.seconds.add(stopwatch_.lap());
    finished_ = is_last;
    const Json state = {{"place", {place_.source, place_.file, place_.ordinal}},
                        {"documents", result_.n_documents},
                        {"held_out", result_.n_held_out},
                        {"evaluation", {result_.n_evaluation_texts, result_.n_short_texts}},
                        {"finished", is_last},
                        {"seconds", to_json(result_.seconds)},
                        {"tally", to_json(result_.tally)}};
    write_file_atomically(job_.segment(result_.n_segments, "json"),
                          state.dump(-1, ' ', false, Json::error_handler_t::replace));
    ++result_.n_segments;
    text_.clear();
    prints_.clear();
    text_bytes_ = 0;
    has_unsaved_ = false;
  }

  bool finished() const { return finished_; }

 private:
  void load() {
    std::int64_t n = 0;
    while (file_exists(job_.segment(n, "json"))) ++n;
    if (n == 0) return;
    const Json state = read_json(job_.segment(n - 1, "json"));
    place_ = {state.at("place").at(0), state.at("place").at(1), state.at("place").at(2)};
    result_.n_segments = n;
    result_.n_documents = state.at("documents");
    result_.n_held_out = state.at("held_out");
    result_.n_evaluation_texts = state.at("evaluation").at(0);
    result_.n_short_texts = state.at("evaluation").at(1);
    result_.seconds = seconds_from_json(state.at("seconds"));
    result_.tally = tally_from_json(state.at("tally"));
    finished_ = state.at("finished");
  }

  const Job& job_;
  Stopwatch stopwatch_;
  CleanResult result_;
  Place place_;
  std::string text_, prints_;
  std::int64_t text_bytes_ = 0;
  bool has_unsaved_ = false, finished_ = false;
};

}  // namespace

CleanResult clean_inputs(const Job& job) {
  SegmentWriter segments(job);
  if (segments.finished()) return segments.result();
  double total = 0;
  for (const auto& source : job.sources) total += static_cast<double>(source.file_bytes);
  const Cleaner cleaner(job);
  segments.result().n_evaluation_texts = cleaner.contamination().n_texts();
  segments.result().n_short_texts = cleaner.contamination().n_short();
  BatchReader reader(job, segments.place());
  const PipelineLimits limits = job.pipeline_limits();
  const auto run = [&] {
    run_pipeline<RawBatch, CleanBatch>(
        limits,
        [&](RawBatch& batch, std::int64_t& weight) {
          const bool found = reader.next(batch);
          weight = job.batch_weight(batch.bytes.size());
          return found;
        },
        [&](RawBatch& batch) { return cleaner.clean(batch); },
        [&](CleanBatch& batch) {
          segments.add(batch);
          if (job.progress) job.progress("cleaning", batch.consumed, total);
        });
  };
  try {
    run();
  } catch (const Error& error) {
    if (error.code == ErrorCode::kInterrupted) segments.save(false);
    throw;
  }
  segments.save(true);
  return segments.result();
}

}  // namespace farthing
