// allocation_test.cpp - between steps 10 and 100 the heap does not grow, nor is it asked for much.
//
// Every operator new of this program goes through a counter; mallinfo2 sees malloc as well.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "base/file.h"
#include "data/shards.h"
#include "train/run.h"
#include "train/testing.h"

namespace {

std::atomic<std::size_t> largest_request{0};
std::atomic<std::size_t> live_bytes{0};

void* counted(std::size_t size) {
  std::size_t seen = largest_request.load();
  while (size > seen && !largest_request.compare_exchange_weak(seen, size)) {
  }
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  live_bytes += malloc_usable_size(memory);
  return memory;
}

void uncounted(void* memory) {
  if (memory != nullptr) live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { uncounted(memory); }
void operator delete[](void* memory) noexcept { uncounted(memory); }
void operator delete(void* memory, std::size_t) noexcept { uncounted(memory); }
void operator delete[](void* memory, std::size_t) noexcept { uncounted(memory); }

namespace farthing {
namespace {

namespace fs = std::filesystem;

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(Allocation, AStepAllocatesNothingOfNote) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has its own heap";
#endif
  const std::string root =
      fs::temp_directory_path() / ("farthing-heap-" + std::to_string(getpid()));
  fs::create_directories(root + "/data");
  {
    ShardWriter writer(root + "/data/train", 48);
    for (int document = 0; document < 900; ++document) {
      writer.add_document(std::vector<std::int32_t>(200, 2 + document % 46));
    }
    writer.finish();
  }
  RunRequest request;
  request.recipe = tiny_recipe();
  request.recipe.data.train = root + "/data";
  request.recipe.data.sequence_length = 256;  // a micro-batch's arrays are kilobytes
  request.recipe.train.batch_tokens = 256 * 4;
  request.recipe.train.until = "101steps";
  request.recipe.balance.trace_every = 7;
  request.recipe.checkpoint.every = 1000;
  request.folder = root + "/run";
  request.isa = "test";
  std::size_t heap_at_10 = 0, heap_at_100 = 0, live_at_10 = 0, live_at_100 = 0, largest = 0;
  train_run(request, {.on_step = [&](const StepReport& report) {
              if (report.step == 10) {
                largest_request = 0;
                heap_at_10 = heap_bytes();
                live_at_10 = live_bytes;
              }
              if (report.step == 100) {
                heap_at_100 = heap_bytes();
                live_at_100 = live_bytes;
                largest = largest_request;
              }
            }});
  fs::remove_all(root);
  EXPECT_GT(heap_at_10, 0u);
  EXPECT_LE(live_at_100, live_at_10 + 4096);   // an event in work on the heartbeat's thread
  EXPECT_LE(heap_at_100, heap_at_10 + 65536);  // malloc's own stock of small pieces
  EXPECT_GT(largest, 0u);
  EXPECT_LE(largest, 65536u);
}

}  // namespace
}  // namespace farthing
