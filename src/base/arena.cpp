// arena.cpp - anonymous memory from the system: zeroed, huge pages where it likes to give them.
#include "base/arena.h"

#include <sys/mman.h>

#include <fmt/core.h>

#include "base/error.h"

namespace farthing {
namespace {
constexpr std::int64_t kAlignment = 64;
}

void UnmapBlock::operator()(std::byte* block) const {
  munmap(block, static_cast<std::size_t>(bytes));
}

Arena::Arena(std::int64_t capacity_bytes) : capacity_(capacity_bytes) {
  const auto bytes = static_cast<std::size_t>(capacity_bytes > 0 ? capacity_bytes : kAlignment);
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) {
    throw Error(ErrorCode::kOutOfResource, fmt::format("cannot reserve {:.2f} GB of memory",
                                                       static_cast<double>(capacity_bytes) / 1e9));
  }
  madvise(block, bytes, MADV_HUGEPAGE);
  block_ = std::unique_ptr<std::byte, UnmapBlock>(static_cast<std::byte*>(block),
                                                  UnmapBlock{static_cast<std::int64_t>(bytes)});
}

void* Arena::take(std::int64_t bytes) {
  CHECK(bytes >= 0);
  const std::int64_t begin = used_;
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (is_measuring()) return nullptr;
  CHECK(used_ <= capacity_, "the arena was measured with another layout");
  return block_.get() + begin;
}

}  // namespace farthing
