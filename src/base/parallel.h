// parallel.h - the only place that knows how threads work: a fixed pool and a static partition.
//
// parallel_for(n, body) calls body(i) for every i in [0, n), each exactly once; index i always goes
// to the same thread for a given n and number of threads.  A result must not depend on which thread
// computes it: give every output one owner and sum in a fixed order.
//
// Errors   Bodies must not throw: check everything before entry.  A nested call runs serially.
// Threads  Called from one thread at a time (the thread that owns the step).
#pragma once
#include <cstdint>
#include <type_traits>

namespace farthing {

// REQUIRES count >= 1.  Not to be called inside a body.
void set_num_threads(int count);
int num_threads();
// The number of processors this process may run on (affinity and cgroup quota respected).
int available_processors();

namespace parallel_detail {
using Body = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void run(std::int64_t n, Body body, const void* context);
}  // namespace parallel_detail

template <class Function>
void parallel_for(std::int64_t n, const Function& body) {
  parallel_detail::run(
      n,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        const auto& function = *static_cast<const Function*>(context);
        for (std::int64_t i = begin; i < end; ++i) function(static_cast<int>(i));
      },
      &body);
}

// The same by ranges: body(begin, end), each once, together [0, n); for bodies with state that the
// neighbours of an index share.
template <class Function>
void parallel_ranges(std::int64_t n, const Function& body) {
  parallel_detail::run(
      n,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        const auto& function = *static_cast<const Function*>(context);
        if (begin < end) function(static_cast<int>(begin), static_cast<int>(end));
      },
      &body);
}

}  // namespace farthing
