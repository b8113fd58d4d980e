// paragraphs.cpp - hashes of all paragraphs, sorted; what is not the first of its hash is listed.
#include "data/paragraphs.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/pipeline.h"
#include "data/key_parts.h"
#include "data/prepare_work.h"

namespace farthing {
namespace {

struct Position {
  std::uint32_t document, paragraph;
  bool operator<(const Position& other) const {
    return document != other.document ? document < other.document : paragraph < other.paragraph;
  }
};

struct HashedParagraph {
  std::uint64_t hash;
  Position position;
  bool operator<(const HashedParagraph& other) const {
    return hash != other.hash ? hash < other.hash : position < other.position;
  }
};

// Calls visit(begin, end, number) for every paragraph, its blank lines behind it included.
template <class Visit>
void for_each_paragraph(std::string_view text, const Visit& visit) {
  std::size_t begin = 0, line = 0;
  std::uint32_t number = 0;
  bool after_blank = false, has_text = false;
  while (line < text.size()) {
    const std::size_t line_end = std::min(text.find('\n', line), text.size() - 1) + 1;
    const bool blank = is_blank(text.substr(line, line_end - line));
    if (!blank && after_blank && has_text) {
      visit(begin, line, number++);
      begin = line;
    }
    has_text = has_text || !blank;
    after_blank = blank;
    line = line_end;
  }
  if (begin < text.size()) visit(begin, text.size(), number);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n\f\v");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n\f\v") + 1 - begin);
}

// Of the documents that are kept.
std::vector<HashedParagraph> hashed(const Job& job, const FateResult& fates,
                                    const PackedBlock& packed) {
  std::vector<HashedParagraph> paragraphs;
  const std::string block = unpacked_block(packed.bytes);
  std::string_view rest = block;
  for (std::int64_t number = packed.first_document; !rest.empty(); ++number) {
    const CleanDocument document = take_document(rest);
    if (fates.fate[static_cast<std::size_t>(number)] != Fate::kKept) continue;
    for_each_paragraph(document.text, [&](std::size_t begin, std::size_t end, std::uint32_t index) {
      const std::string_view text = trimmed(document.text.substr(begin, end - begin));
      if (static_cast<std::int64_t>(text.size()) < job.request.clean.min_paragraph_bytes) return;
      paragraphs.push_back({hash64(text), {static_cast<std::uint32_t>(number), index}});
    });
  }
  return paragraphs;
}

}  // namespace

std::int64_t find_repeated_paragraphs(const Job& job, const CleanResult& cleaned,
                                      const FateResult& fates) {
  std::int64_t text_bytes = 0;
  for (const auto& source : cleaned.tally.sources) text_bytes += source.text_bytes_in;
  const std::int64_t most =
      text_bytes / std::max<std::int64_t>(job.request.clean.min_paragraph_bytes, 1) + 1;
  const std::int64_t budget = job.memory_bytes / 4;
  const bool spills = most * static_cast<std::int64_t>(sizeof(HashedParagraph)) > budget;
  KeyParts<HashedParagraph> by_hash(most, budget / 2, spills, job.work);
  BlockReader reader(job, 0, cleaned.n_segments);
  run_pipeline<PackedBlock, std::vector<HashedParagraph>>(
      {.n_threads = job.n_threads,
       .max_in_flight = 3 * job.n_threads + 1,
       .max_weight = job.memory_bytes / 16},
      [&](PackedBlock& block, std::int64_t& weight) {
        const bool found = reader.next(block);
        weight = static_cast<std::int64_t>(block.bytes.size()) * 4;
        return found;
      },
      [&](PackedBlock& block) { return hashed(job, fates, block); },
      [&](std::vector<HashedParagraph>& paragraphs) {
        for (const auto& paragraph : paragraphs) by_hash.add(paragraph.hash, paragraph);
      });
  by_hash.finish();
  // What is to go, in the order of the documents: their number takes the place of the key.
  const std::string folder = job.work + "/positions";
  make_folder(folder);
  KeyParts<Position> by_document(most, budget / 2, spills, folder);
  const std::uint64_t stride =
      ~std::uint64_t{0} / static_cast<std::uint64_t>(cleaned.n_documents + 1);
  for (std::size_t part = 0; part < by_hash.size(); ++part) {
    job.check_stop();
    const auto entries = by_hash.take(part);
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].hash != entries[i - 1].hash) continue;
      by_document.add(entries[i].position.document * stride, entries[i].position);
    }
  }
  by_document.finish();
  std::int64_t n_removed = 0;
  FileWriter writer(job.work + "/paragraphs.bin");
  for (std::size_t part = 0; part < by_document.size(); ++part) {
    const auto positions = by_document.take(part);
    n_removed += static_cast<std::int64_t>(positions.size());
    writer.write(
        {reinterpret_cast<const char*>(positions.data()), positions.size() * sizeof(Position)});
  }
  writer.finish();
  return n_removed;
}

RepeatedParagraphs::RepeatedParagraphs(const std::string& work_folder)
    : file_(work_folder + "/paragraphs.bin") {}

std::int64_t RepeatedParagraphs::remove(std::int64_t document, std::string& text) const {
  const auto bytes = file_.bytes();
  const auto n = static_cast<std::int64_t>(bytes.size() / sizeof(Position));
  const auto position = [&](std::int64_t index) {
    Position read;
    std::memcpy(&read, bytes.data() + index * static_cast<std::int64_t>(sizeof(Position)),
                sizeof(Position));
    return read;
  };
  const Position wanted{static_cast<std::uint32_t>(document), 0};
  std::int64_t low = 0, high = n;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (position(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == n || position(low).document != wanted.document) return 0;
  std::string kept;
  std::int64_t n_removed = 0;
  for_each_paragraph(text, [&](std::size_t begin, std::size_t end, std::uint32_t index) {
    const bool is_listed =
        low < n && position(low).document == wanted.document && position(low).paragraph == index;
    if (!is_listed) {
      kept.append(text, begin, end - begin);
      return;
    }
    ++low;
    ++n_removed;
  });
  text.swap(kept);
  return n_removed;
}

}  // namespace farthing
