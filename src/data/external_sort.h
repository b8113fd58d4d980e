// external_sort.h - plain records written, read and sorted in a memory that does not grow with
// them.
//
//   EntryWriter, EntryStream    records onto the end of a file, and front to back again
//   ExternalSort                add() all, finish(), then next() gives them in order
//
// What does not fit is sorted a bufferful at a time into runs of a temporary file, which are merged
// through small windows; more runs than have a window each are merged into fewer, longer ones
// first.
//
// Memory   memory_bytes, but room for a few records; touched only as records come.
// Disk     the records once, twice while runs are merged into longer ones.
// Errors   Error{kOutOfResource} for a full disk.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"

namespace farthing {

template <class Entry>
class EntryWriter {
 public:
  explicit EntryWriter(OffsetFile* file, std::size_t buffer_bytes = std::size_t{1} << 16)
      : file_(file), capacity_(std::max<std::size_t>(buffer_bytes / sizeof(Entry), 1)) {}
  void add(const Entry& entry) {
    buffer_.push_back(entry);
    if (buffer_.size() >= capacity_) flush();
  }
  void flush() {
    file_->append(std::as_bytes(std::span(buffer_)));
    buffer_.clear();
  }

 private:
  OffsetFile* file_;
  std::size_t capacity_;
  std::vector<Entry> buffer_;
};

// Records [begin, end) of a file, or of the memory.
template <class Entry>
class EntryStream {
 public:
  EntryStream(const OffsetFile* file, std::int64_t begin, std::int64_t end,
              std::size_t window_bytes = std::size_t{1} << 16)
      : file_(file),
        next_(begin),
        end_(end),
        capacity_(std::max<std::size_t>(window_bytes / sizeof(Entry), 1)) {}
  explicit EntryStream(const OffsetFile* file)
      : EntryStream(file, 0, file->size() / static_cast<std::int64_t>(sizeof(Entry))) {}
  explicit EntryStream(std::span<const Entry> held) : window_(held) {}
  EntryStream(EntryStream&&) noexcept = default;
  EntryStream& operator=(EntryStream&&) noexcept = default;

  // The first that was not taken; nullptr at the end.
  const Entry* peek() {
    if (window_.empty() && !fill()) return nullptr;
    return window_.data();
  }
  void pop() { window_ = window_.subspan(1); }  // REQUIRES: peek() was not nullptr

 private:
  bool fill() {
    if (next_ == end_) return false;
    const auto n = std::min(static_cast<std::int64_t>(capacity_), end_ - next_);
    buffer_.resize(static_cast<std::size_t>(n));
    file_->read(next_ * static_cast<std::int64_t>(sizeof(Entry)),
                std::as_writable_bytes(std::span(buffer_)));
    next_ += n;
    window_ = buffer_;
    return true;
  }

  const OffsetFile* file_ = nullptr;
  std::int64_t next_ = 0, end_ = 0;
  std::size_t capacity_ = 0;
  std::vector<Entry> buffer_;
  std::span<const Entry> window_;
};

// Sorted streams into one.
template <class Entry>
class Merger {
 public:
  void add(EntryStream<Entry> stream) {
    if (stream.peek() == nullptr) return;
    heads_.push_back({*stream.peek(), streams_.size()});
    streams_.push_back(std::move(stream));
    std::push_heap(heads_.begin(), heads_.end(),
                   [](const Head& a, const Head& b) { return b < a; });
  }
  bool next(Entry& entry) {
    if (heads_.empty()) return false;
    entry = heads_.front().entry;
    EntryStream<Entry>& stream = streams_[heads_.front().stream];
    stream.pop();
    if (const Entry* const head = stream.peek()) {
      heads_.front().entry = *head;
    } else {
      heads_.front() = heads_.back();
      heads_.pop_back();
    }
    sink_front();
    return true;
  }

 private:
  struct Head {
    Entry entry;
    std::size_t stream;
    bool operator<(const Head& other) const { return entry < other.entry; }
  };

  // Restores the heap, of which the front alone may be too large.
  void sink_front() {
    for (std::size_t at = 0, child = 1; child < heads_.size(); at = child, child = 2 * at + 1) {
      if (child + 1 < heads_.size() && heads_[child + 1] < heads_[child]) ++child;
      if (!(heads_[child] < heads_[at])) return;
      std::swap(heads_[child], heads_[at]);
    }
  }

  std::vector<EntryStream<Entry>> streams_;
  std::vector<Head> heads_;  // the least in front
};

template <class Entry>
class ExternalSort {
 public:
  // `path` names the temporary files.
  ExternalSort(std::int64_t memory_bytes, std::string path)
      : memory_(static_cast<std::size_t>(std::max<std::int64_t>(memory_bytes, 1))),
        path_(std::move(path)) {
    held_.reserve(std::max<std::size_t>(memory_ / sizeof(Entry), kLeastHeld));
  }
  ExternalSort(const ExternalSort&) = delete;
  ExternalSort& operator=(const ExternalSort&) = delete;

  void add(const Entry& entry) {
    if (held_.size() == held_.capacity()) spill();
    held_.push_back(entry);
    ++size_;
  }

  void finish() {
    if (!file_) {
      std::sort(held_.begin(), held_.end());
      merger_.add(EntryStream<Entry>(std::span<const Entry>(held_)));
      return;
    }
    if (!held_.empty()) spill();
    held_ = std::vector<Entry>();
    while (runs_.size() > most_streams()) merge_runs();
    const std::size_t window = std::min(memory_ / runs_.size(), kMostWindowBytes);
    for (const Run& run : runs_) merger_.add({&*file_, run.begin, run.end, window});
  }

  bool next(Entry& entry) { return merger_.next(entry); }
  std::int64_t size() const { return size_; }
  std::int64_t spilled_bytes() const { return spilled_; }  // onto the disk, merged runs again

 private:
  static constexpr std::size_t kLeastHeld = 64;
  static constexpr std::size_t kWindowBytes = std::size_t{1} << 16;  // what a disk reads well
  static constexpr std::size_t kMostWindowBytes = std::size_t{1} << 20;

  struct Run {
    std::int64_t begin, end;
  };

  // The windows and a writer's buffer share the memory.
  std::size_t window_bytes() const { return std::min(kWindowBytes, memory_ / 8); }
  std::size_t most_streams() const {
    return std::max<std::size_t>(memory_ / std::max<std::size_t>(window_bytes(), 1), 3) - 1;
  }

  void spill() {
    if (!file_) file_.emplace(OffsetFile::temporary(path_));
    std::sort(held_.begin(), held_.end());
    const std::int64_t begin = file_->size() / static_cast<std::int64_t>(sizeof(Entry));
    file_->append(std::as_bytes(std::span(held_)));
    runs_.push_back({begin, begin + std::ssize(held_)});
    spilled_ += std::ssize(held_) * static_cast<std::int64_t>(sizeof(Entry));
    held_.clear();
  }

  void merge_runs() {
    OffsetFile merged = OffsetFile::temporary(path_);
    std::vector<Run> longer;
    for (std::size_t first = 0; first < runs_.size(); first += most_streams()) {
      const std::size_t last = std::min(first + most_streams(), runs_.size());
      Merger<Entry> merger;
      for (std::size_t i = first; i < last; ++i) {
        merger.add({&*file_, runs_[i].begin, runs_[i].end, window_bytes()});
      }
      EntryWriter<Entry> writer(&merged, window_bytes());
      Entry entry;
      while (merger.next(entry)) writer.add(entry);
      writer.flush();
      longer.push_back({runs_[first].begin, runs_[last - 1].end});
    }
    spilled_ += merged.size();
    runs_ = std::move(longer);
    *file_ = std::move(merged);
  }

  std::size_t memory_;
  std::string path_;
  std::vector<Entry> held_;
  std::optional<OffsetFile> file_;
  std::vector<Run> runs_;
  Merger<Entry> merger_;
  std::int64_t size_ = 0, spilled_ = 0;
};

}  // namespace farthing
