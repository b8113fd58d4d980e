// paragraphs.h - paragraphs that stand in the corpus before: found over all documents, then cut
// out.
//
// A paragraph is a stretch between blank lines; one of min_bytes or more (white space at its ends
// not counted) whose 64-bit hash an earlier document or an earlier place of the same document has
// goes away, the first stays.  Only documents that survived the removal of duplicates count.
// Memory   Job::sort_bytes(), however many paragraphs.
// Exact    for any memory and number of threads; two paragraphs are taken for one with P = 2^-64.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace farthing {

struct Job;
struct CleanResult;
struct ParagraphPosition;

// Writes job.work/paragraphs.bin: a ParagraphPosition for each that goes, in order.  Returns their
// number.
std::int64_t find_repeated_paragraphs(const Job& job, const CleanResult& cleaned);

// Writes to `kept`, unless there are none, the text without those of the document's paragraphs that
// `repeated` lists from its front on, past those of documents before it, and takes them off;
// returns their number.
std::int64_t remove_paragraphs(std::int64_t document, std::span<const ParagraphPosition>& repeated,
                               std::string_view text, std::string& kept);

}  // namespace farthing
