// paragraphs.h - paragraphs that stand in the corpus before: found over all documents, then cut
// out.
//
// A paragraph is a stretch between blank lines; one of min_bytes or more (white space at its ends
// not counted) whose 64-bit hash an earlier document or an earlier place of the same document has
// goes away, the first stays.  Only documents that survived the removal of duplicates count. Memory
// as key_parts.h; 8 bytes per removed paragraph lie in a mapped file. Exact    for any memory and
// number of threads; two paragraphs are taken for one with P = 2^-64.
#pragma once
#include <cstdint>
#include <string>

#include "base/file.h"

namespace farthing {

struct Job;
struct CleanResult;
struct FateResult;

// Writes job.work/paragraphs.bin; returns the number of paragraphs to remove.
std::int64_t find_repeated_paragraphs(const Job& job, const CleanResult& cleaned,
                                      const FateResult& fates);

class RepeatedParagraphs {
 public:
  explicit RepeatedParagraphs(const std::string& work_folder);
  // Cuts the document's repeated paragraphs out of its text; returns their number.  Thread-safe.
  std::int64_t remove(std::int64_t document, std::string& text) const;

 private:
  MappedFile file_;  // u32 document, u32 paragraph, sorted
};

}  // namespace farthing
