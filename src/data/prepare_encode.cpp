// prepare_encode.cpp - stages 3 to 5: a tokenizer, tokens of every segment, and the shards of them
// all.
#include <zstd.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/pipeline.h"
#include "data/paragraphs.h"
#include "data/prepare_work.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kSampleBytes = 160;

// The documents of one split in one part.
struct SplitPart {
  std::string ids;       // u16 or i32 each
  std::string lengths;   // i32 each
  std::string sources;   // u32 each
  std::string metadata;  // a line each
};

struct Part {
  SplitPart train, val;
  std::vector<std::string*> fields() {
    return {&train.ids, &train.lengths, &train.sources, &train.metadata,
            &val.ids,   &val.lengths,   &val.sources,   &val.metadata};
  }
  void add(Part& later) {
    const auto mine = fields(), its = later.fields();
    for (std::size_t i = 0; i < mine.size(); ++i) {
      mine[i]->empty() ? mine[i]->swap(*its[i]) : void(mine[i]->append(*its[i]));
    }
  }
};

void write_part(const std::string& path, Part& part) {
  FileWriter writer(path + ".tmp");
  for (const std::string* field : part.fields()) {
    const std::uint64_t size = field->size();
    writer.write({reinterpret_cast<const char*>(&size), sizeof(size)});
    writer.write(*field);
  }
  writer.finish();
  std::error_code fault;
  std::filesystem::rename(path + ".tmp", path, fault);
  if (fault) throw Error(ErrorCode::kFailed, path + ": cannot rename to it: " + fault.message());
}

Part read_part(const std::string& path) {
  const MappedFile file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  Part part;
  for (std::string* field : part.fields()) {
    std::uint64_t size = 0;
    if (rest.size() >= sizeof(size)) std::memcpy(&size, rest.data(), sizeof(size));
    if (rest.size() < sizeof(size) || rest.size() - sizeof(size) < size) {
      throw_bad_input({path, "a damaged part", "", "", "remove the folder .preparing"});
    }
    field->assign(rest.substr(sizeof(size), size));
    rest.remove_prefix(sizeof(size) + size);
  }
  return part;
}

void append_ids(std::string& bytes, std::span<const std::int32_t> ids, bool is_short) {
  if (!is_short) {
    bytes.append(reinterpret_cast<const char*>(ids.data()), ids.size() * 4);
    return;
  }
  const std::size_t begin = bytes.size();
  bytes.resize(begin + ids.size() * 2);
  char* at = bytes.data() + begin;
  for (const std::int32_t id : ids) {
    const auto narrow = static_cast<std::uint16_t>(id);
    std::memcpy(at, &narrow, 2);
    at += 2;
  }
}

bool ids_are_short(const Tokenizer& tokenizer) { return tokenizer.vocab_size() <= 65536; }

// Calls use(document, text, n_removed) for every document of a block that is left, with what is
// left of its text; drop(document, reason) for the others.  The packed bytes are gone afterwards.
template <class Use, class Drop>
void for_survivors(PackedBlock& packed, const Use& use, const Drop& drop) {
  const std::string block = unpacked_block(std::exchange(packed.bytes, {}));
  std::string_view rest = block;
  std::span<const ParagraphPosition> repeated = packed.repeated;
  std::string cut;
  for (std::int64_t number = packed.first_document; !rest.empty(); ++number) {
    const CleanDocument document = take_document(rest);
    const Fate fate = packed.fates[static_cast<std::size_t>(number - packed.first_document)];
    if (fate != Fate::kKept) {
      drop(document, fate == Fate::kExactDuplicate ? "exact_duplicate" : "near_duplicate");
      continue;
    }
    const std::int64_t n_removed = remove_paragraphs(number, repeated, document.text, cut);
    const std::string_view text = n_removed > 0 ? cut : document.text;
    if (n_removed > 0 && is_blank(text)) {
      drop(document, "repeated_paragraphs");
    } else {
      use(document, text, n_removed);
    }
  }
}

std::string metadata_line(const Job& job, const CleanDocument& document) {
  const InputSource& source = job.sources[document.source];
  Json line = {{"source", source.description.name}, {"file", source.files[document.file]}};
  if (!document.member.empty()) line["member"] = std::string(document.member);
  if (document.place > 0) line["place"] = document.place;
  std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (!document.metadata.empty()) {
    text.pop_back();
    text.append(",\"meta\":").append(document.metadata).append("}");
  }
  return text + "\n";
}

struct EncodedBlock {
  Part part;
  Tally tally;
  std::int64_t segment = 0, n_documents = 0;
};

EncodedBlock encode_block(const Job& job, const Tokenizer& tokenizer, PackedBlock& packed) {
  EncodedBlock made;
  made.segment = packed.segment;
  made.tally.sources.resize(job.sources.size());
  const bool is_short = ids_are_short(tokenizer);
  for_survivors(
      packed,
      [&](const CleanDocument& document, std::string_view text, std::int64_t n_removed) {
        const bool held_out = is_held_out(text, job.request.val_fraction);
        SplitPart& split = held_out ? made.part.val : made.part.train;
        std::int64_t n_ids = 0;
        const auto add = [&](std::span<const std::int32_t> ids) {
          append_ids(split.ids, ids, is_short);
          n_ids += std::ssize(ids);
        };
        tokenizer.encode(text, {.parse_special = false}, add);
        add(std::array{tokenizer.end_of_text_id()});
        append_number(split.lengths, static_cast<std::int32_t>(n_ids));
        append_number(split.sources, document.source);
        if (job.request.reading.keep_metadata) split.metadata += metadata_line(job, document);
        SourceTally& source = made.tally.sources[document.source];
        source.paragraphs_removed += n_removed;
        (held_out ? source.val : source.train)
            .add({1, n_ids, static_cast<std::int64_t>(text.size())});
        ++made.n_documents;
      },
      [&](const CleanDocument& document, const char* reason) {
        made.tally.drop(document.source, reason);
        const auto& path = job.sources[document.source].files[document.file];
        RawRecord place;
        place.member = document.member;
        place.place = document.place;
        std::string shown = mend_utf8(document.text.substr(0, kSampleBytes), nullptr);
        std::replace(shown.begin(), shown.end(), '\n', ' ');
        made.tally.add_example({reason, describe_place(path, place), shown, 0});
        ++made.n_documents;
      });
  return made;
}

// Saves a part for every segment, with the tally up to it.
class PartWriter {
 public:
  PartWriter(const Job& job, std::int64_t n_segments)
      : job_(job), n_segments_(n_segments), stopwatch_(job.request.joules) {
    result_.tally.sources.resize(job.sources.size());
    while (next_ < n_segments_ && file_exists(job_.part(next_, "json"))) ++next_;
    if (next_ == 0) return;
    const Json state = read_json(job_.part(next_ - 1, "json"));
    result_.tally = tally_from_json(state.at("tally"));
    result_.seconds = seconds_from_json(state.at("seconds"));
  }

  std::int64_t next() const { return next_; }
  EncodeResult& result() { return result_; }

  void add(EncodedBlock& block) {
    save_up_to(block.segment);
    part_.add(block.part);
    result_.tally.add(block.tally);
  }

  void save_up_to(std::int64_t segment) {
    for (; next_ < segment; ++next_) {
      write_part(job_.part(next_, "tokens"), part_);
      result_.seconds.add(stopwatch_.lap());
      const Json state = {{"tally", to_json(result_.tally)}, {"seconds", to_json(result_.seconds)}};
      write_file_atomically(job_.part(next_, "json"),
                            state.dump(-1, ' ', false, Json::error_handler_t::replace));
      part_ = {};
    }
  }

 private:
  const Job& job_;
  const std::int64_t n_segments_;
  Stopwatch stopwatch_;
  std::int64_t next_ = 0;
  EncodeResult result_;
  Part part_;
};

// Compressed lines, a frame for every megabyte or so.
class MetadataWriter {
 public:
  explicit MetadataWriter(const std::string& path) : writer_(path) {}
  void add(std::string_view lines) {
    buffer_ += lines;
    if (buffer_.size() >= (std::size_t{1} << 20)) flush();
  }
  void finish() {
    flush();
    writer_.finish();
  }

 private:
  void flush() {
    std::string packed(ZSTD_compressBound(buffer_.size()), '\0');
    const std::size_t size =
        ZSTD_compress(packed.data(), packed.size(), buffer_.data(), buffer_.size(), 3);
    CHECK(ZSTD_isError(size) == 0u);
    writer_.write(std::string_view(packed).substr(0, size));
    buffer_.clear();
  }
  FileWriter writer_;
  std::string buffer_;
};

// Takes the documents of a SplitPart one after another.
class PartDocuments {
 public:
  PartDocuments(const SplitPart& part, bool is_short) : part_(part), is_short_(is_short) {}

  bool next() {
    if (index_ * 4 >= part_.lengths.size()) return false;
    begin_ += length_bytes_;
    std::int32_t length = 0;
    std::memcpy(&length, part_.lengths.data() + index_ * 4, 4);
    std::memcpy(&source_, part_.sources.data() + index_ * 4, 4);
    length_bytes_ = static_cast<std::size_t>(length) * (is_short_ ? 2 : 4);
    const std::size_t end = part_.metadata.find('\n', line_end_);
    line_begin_ = line_end_;
    line_end_ = end == std::string::npos ? part_.metadata.size() : end + 1;
    ++index_;
    return true;
  }
  std::string_view packed_ids() const {
    return std::string_view(part_.ids).substr(begin_, length_bytes_);
  }
  std::uint32_t source() const { return source_; }
  std::string_view line() const {
    return std::string_view(part_.metadata).substr(line_begin_, line_end_ - line_begin_);
  }

 private:
  const SplitPart& part_;
  bool is_short_;
  std::size_t index_ = 0, begin_ = 0, length_bytes_ = 0, line_begin_ = 0, line_end_ = 0;
  std::uint32_t source_ = 0;
};

std::vector<std::int32_t> unpacked_ids(std::string_view packed, bool is_short) {
  std::vector<std::int32_t> ids(packed.size() / (is_short ? 2 : 4));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (is_short) {
      std::uint16_t narrow;
      std::memcpy(&narrow, packed.data() + i * 2, 2);
      ids[i] = narrow;
    } else {
      std::memcpy(&ids[i], packed.data() + i * 4, 4);
    }
  }
  return ids;
}

class Assembly {
 public:
  Assembly(const Job& job, const CleanResult& cleaned, const Tokenizer& tokenizer,
           const std::string& folder)
      : job_(job),
        n_parts_(cleaned.n_segments),
        is_short_(ids_are_short(tokenizer)),
        train_(folder + "/train", tokenizer.vocab_size()),
        val_(folder + "/val", tokenizer.vocab_size()) {
    if (job.sources.size() > 1) {
      for (const auto& source : job.sources) {
        val_of_source_.push_back(std::make_unique<ShardWriter>(
            folder + "/val-" + source.description.name, tokenizer.vocab_size()));
      }
    }
    if (job.request.reading.keep_metadata) {
      train_lines_.emplace(folder + "/train.meta.jsonl.zst");
      val_lines_.emplace(folder + "/val.meta.jsonl.zst");
    }
  }

  void run() {
    if (job_.request.shuffle) {
      write_val_in_order();
      write_train_shuffled();
    } else {
      write_in_order();
    }
    train_.finish();
    val_.finish();
    for (auto& writer : val_of_source_) {
      if (writer->n_documents() > 0) writer->finish();  // else its files go with the writer
    }
    if (train_lines_) train_lines_->finish();
    if (val_lines_) val_lines_->finish();
  }

 private:
  void add_train(const PartDocuments& documents) {
    train_.add_document(unpacked_ids(documents.packed_ids(), is_short_));
    if (train_lines_) train_lines_->add(documents.line());
  }

  void add_val(const SplitPart& part) {
    for (PartDocuments documents(part, is_short_); documents.next();) {
      const auto ids = unpacked_ids(documents.packed_ids(), is_short_);
      val_.add_document(ids);
      if (!val_of_source_.empty()) val_of_source_[documents.source()]->add_document(ids);
      if (val_lines_) val_lines_->add(documents.line());
    }
  }

  void show(double done, double total) const {
    job_.check_stop();
    if (job_.progress) job_.progress("writing", done, total);
  }

  void write_in_order() {
    for (std::int64_t number = 0; number < n_parts_; ++number) {
      show(static_cast<double>(number), static_cast<double>(n_parts_));
      const Part part = read_part(job_.part(number, "tokens"));
      for (PartDocuments documents(part.train, is_short_); documents.next();) add_train(documents);
      add_val(part.val);
    }
  }

  void write_val_in_order() {
    for (std::int64_t number = 0; number < n_parts_; ++number) {
      add_val(read_part(job_.part(number, "tokens")).val);
    }
  }

  struct Drawn {
    std::uint64_t key, ordinal;
    std::string ids, line;
  };

  // Documents in the order of a keyed hash of their number, a stretch of the keys at a time that
  // fits the memory: every stretch is one pass over the parts.
  void write_train_shuffled() {
    std::int64_t bytes = 0;
    for (std::int64_t number = 0; number < n_parts_; ++number) {
      bytes += static_cast<std::int64_t>(std::filesystem::file_size(job_.part(number, "tokens")));
    }
    int bits = 0;
    while (bits < 16 && bytes >> bits > job_.memory_bytes / 4) ++bits;
    const std::uint64_t n_stretches = std::uint64_t{1} << bits;
    for (std::uint64_t stretch = 0; stretch < n_stretches; ++stretch) {
      std::vector<Drawn> drawn;
      std::uint64_t ordinal = 0;
      for (std::int64_t number = 0; number < n_parts_; ++number) {
        show(static_cast<double>(stretch) +
                 static_cast<double>(number) / static_cast<double>(n_parts_),
             static_cast<double>(n_stretches));
        const Part part = read_part(job_.part(number, "tokens"));
        for (PartDocuments documents(part.train, is_short_); documents.next(); ++ordinal) {
          const std::string_view number_bytes(reinterpret_cast<const char*>(&ordinal), 8);
          const std::uint64_t key = hash64(number_bytes, job_.request.shuffle_seed);
          if (bits > 0 && key >> (64 - bits) != stretch) continue;
          drawn.push_back(
              {key, ordinal, std::string(documents.packed_ids()), std::string(documents.line())});
        }
      }
      std::sort(drawn.begin(), drawn.end(), [](const Drawn& a, const Drawn& b) {
        return a.key != b.key ? a.key < b.key : a.ordinal < b.ordinal;
      });
      for (const Drawn& document : drawn) {
        train_.add_document(unpacked_ids(document.ids, is_short_));
        if (train_lines_) train_lines_->add(document.line);
      }
    }
  }

  const Job& job_;
  const std::int64_t n_parts_;
  const bool is_short_;
  ShardWriter train_, val_;
  std::vector<std::unique_ptr<ShardWriter>> val_of_source_;
  std::optional<MetadataWriter> train_lines_, val_lines_;
};

Json to_json(const TrainingResult& training) {
  return {{"documents", training.report.documents},
          {"bytes", training.report.bytes},
          {"distinct_pieces", training.report.distinct_pieces},
          {"forgotten_pieces", training.report.forgotten_pieces},
          {"largest_error", training.report.largest_error},
          {"seconds", to_json(training.seconds)}};
}

TrainingResult training_from_json(const Json& json) {
  TrainingResult training;
  training.report.documents = json.at("documents");
  training.report.bytes = json.at("bytes");
  training.report.distinct_pieces = json.at("distinct_pieces");
  training.report.forgotten_pieces = json.at("forgotten_pieces");
  training.report.largest_error = json.at("largest_error");
  training.seconds = seconds_from_json(json.at("seconds"));
  return training;
}

}  // namespace

DocumentsOfSplits count_splits(const Job& job, const CleanResult& cleaned) {
  DocumentsOfSplits found;
  BlockReader reader(job, 0, cleaned.n_segments);
  PackedBlock packed;
  const auto is_settled = [&] {
    return found.train > 0 && (found.val > 0 || job.request.val_fraction <= 0);
  };
  while (!is_settled() && reader.next(packed)) {
    job.check_stop();
    for_survivors(
        packed,
        [&](const CleanDocument&, std::string_view text, std::int64_t) {
          ++(is_held_out(text, job.request.val_fraction) ? found.val : found.train);
        },
        [](const CleanDocument&, const char*) {});
  }
  return found;
}

Tokenizer make_tokenizer(const Job& job, const CleanResult& cleaned, TrainingResult& training) {
  const PrepareRequest& request = job.request;
  if (!request.tokenizer_path.empty()) {
    Tokenizer tokenizer = Tokenizer::load(request.tokenizer_path);
    if (tokenizer.end_of_text_id() < 0) {
      throw_bad_input({request.tokenizer_path, "no end-of-text token among its added tokens", "",
                       "one such as <|endoftext|>", "it separates documents"});
    }
    return tokenizer;
  }
  const std::string saved = job.work + "/tokenizer.json";
  const std::string state = job.work + "/training.json";
  if (file_exists(saved)) {
    training = training_from_json(read_json(state));
    return Tokenizer::load(saved);
  }
  Stopwatch stopwatch(request.joules);
  BlockReader reader(job, 0, cleaned.n_segments);
  PackedBlock packed;
  std::vector<std::string> ready;  // the texts of a block, last first
  const DocumentSource documents = [&](std::string& document) {
    while (ready.empty()) {
      if (!reader.next(packed)) return false;
      for_survivors(
          packed,
          [&](const CleanDocument&, std::string_view text, std::int64_t) {
            if (!is_held_out(text, request.val_fraction)) ready.emplace_back(text);
          },
          [](const CleanDocument&, const char*) {});
      std::reverse(ready.begin(), ready.end());
      if (job.progress) {
        job.progress("training the tokenizer", static_cast<double>(packed.first_document),
                     static_cast<double>(cleaned.n_documents));
      }
    }
    document = std::move(ready.back());
    ready.pop_back();
    return true;
  };
  TokenizerTraining bounded = request.training;
  bounded.counting_bytes = std::min(bounded.counting_bytes, job.memory_bytes / 4);
  Tokenizer tokenizer = train_tokenizer(documents, bounded, &training.report);
  training.seconds = stopwatch.lap();
  write_file_atomically(state, to_json(training).dump());
  write_file_atomically(saved, tokenizer.to_json_text());
  return tokenizer;
}

EncodeResult encode_segments(const Job& job, const CleanResult& cleaned,
                             const Tokenizer& tokenizer) {
  PartWriter parts(job, cleaned.n_segments);
  BlockReader reader(job, parts.next(), cleaned.n_segments);
  run_pipeline<PackedBlock, EncodedBlock>(
      job.pipeline_limits(),
      [&](PackedBlock& block, std::int64_t& weight) {
        const bool found = reader.next(block);
        weight = found ? job.batch_weight(unpacked_size(block.bytes)) : 0;
        return found;
      },
      [&](PackedBlock& block) { return encode_block(job, tokenizer, block); },
      [&, done = std::int64_t{0}](EncodedBlock& block) mutable {
        parts.add(block);
        done += block.n_documents;
        if (job.progress) {
          job.progress("encoding", static_cast<double>(done),
                       static_cast<double>(cleaned.n_documents));
        }
      });
  parts.save_up_to(cleaned.n_segments);
  return parts.result();
}

Seconds assemble_shards(const Job& job, const CleanResult& cleaned, const Tokenizer& tokenizer,
                        const std::string& folder) {
  Stopwatch stopwatch(job.request.joules);
  Assembly(job, cleaned, tokenizer, folder).run();
  return stopwatch.lap();
}

}  // namespace farthing
