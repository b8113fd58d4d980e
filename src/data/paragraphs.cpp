// paragraphs.cpp - hashes of all paragraphs, sorted; what is not the first of its hash is listed.
#include "data/paragraphs.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/pipeline.h"
#include "data/external_sort.h"
#include "data/prepare_work.h"

namespace farthing {
namespace {

constexpr std::int64_t kStopEvery = 1 << 16;
constexpr std::size_t kWriteEntries = 1 << 12;

struct HashedParagraph {
  std::uint64_t hash;
  ParagraphPosition position;
  bool operator<(const HashedParagraph& other) const {
    return hash != other.hash ? hash < other.hash : position < other.position;
  }
};

// Calls visit(begin, end, number) for every paragraph, its blank lines behind it included.
template <class Visit>
void for_each_paragraph(std::string_view text, const Visit& visit) {
  std::size_t begin = 0, line = 0;
  std::int64_t number = 0;
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
std::vector<HashedParagraph> hashed(const Job& job, const PackedBlock& packed) {
  std::vector<HashedParagraph> paragraphs;
  const std::string block = unpacked_block(packed.bytes);
  std::string_view rest = block;
  for (std::int64_t number = packed.first_document; !rest.empty(); ++number) {
    const CleanDocument document = take_document(rest);
    if (packed.fates[static_cast<std::size_t>(number - packed.first_document)] != Fate::kKept) {
      continue;
    }
    for_each_paragraph(document.text, [&](std::size_t begin, std::size_t end, std::int64_t index) {
      const std::string_view text = trimmed(document.text.substr(begin, end - begin));
      if (static_cast<std::int64_t>(text.size()) < job.request.clean.min_paragraph_bytes) return;
      paragraphs.push_back({hash64(text), {number, index}});
    });
  }
  return paragraphs;
}

}  // namespace

std::int64_t find_repeated_paragraphs(const Job& job, const CleanResult& cleaned) {
  ExternalSort<HashedParagraph> by_hash(job.sort_bytes() / 2, job.work + "/paragraphs.spill");
  BlockReader reader(job, 0, cleaned.n_segments, BlockReader::Paragraphs::kUnknown);
  run_pipeline<PackedBlock, std::vector<HashedParagraph>>(
      job.pipeline_limits(),
      [&](PackedBlock& block, std::int64_t& weight) {
        const bool found = reader.next(block);
        weight = found ? job.batch_weight(unpacked_size(block.bytes)) : 0;
        return found;
      },
      [&](PackedBlock& block) { return hashed(job, block); },
      [&](std::vector<HashedParagraph>& paragraphs) {
        for (const auto& paragraph : paragraphs) by_hash.add(paragraph);
      });
  by_hash.finish();
  ExternalSort<ParagraphPosition> by_document(job.sort_bytes() / 2, job.work + "/positions.spill");
  HashedParagraph first{}, entry{};
  for (std::int64_t n = 0; by_hash.next(entry); ++n) {
    if (n % kStopEvery == 0) job.check_stop();
    if (n > 0 && entry.hash == first.hash) by_document.add(entry.position);
    first = entry;
  }
  by_document.finish();
  FileWriter writer(job.work + "/paragraphs.bin");
  std::vector<ParagraphPosition> buffer;
  for (ParagraphPosition position{}; by_document.next(position);) {
    buffer.push_back(position);
    if (buffer.size() < kWriteEntries) continue;
    writer.write(std::as_bytes(std::span(buffer)));
    buffer.clear();
  }
  writer.write(std::as_bytes(std::span(buffer)));
  writer.finish();
  return by_document.size();
}

std::int64_t remove_paragraphs(std::int64_t document, std::span<const ParagraphPosition>& repeated,
                               std::string_view text, std::string& kept) {
  while (!repeated.empty() && repeated.front().document < document) repeated = repeated.subspan(1);
  if (repeated.empty() || repeated.front().document != document) return 0;
  kept.clear();
  std::int64_t n_removed = 0;
  for_each_paragraph(text, [&](std::size_t begin, std::size_t end, std::int64_t index) {
    const bool is_listed = !repeated.empty() && repeated.front().document == document &&
                           repeated.front().paragraph == index;
    if (!is_listed) {
      kept.append(text.substr(begin, end - begin));
      return;
    }
    repeated = repeated.subspan(1);
    ++n_removed;
  });
  return n_removed;
}

}  // namespace farthing
