// pipeline.h - an ordered pipeline with back-pressure: one producer, many workers, one consumer in
// order.
//
//   run_pipeline<Item, Result>(limits, produce, work, consume);
//
// `produce` makes items one after another until it returns false, `work` turns any of them into
// results on all threads at once, `consume` takes the results in the order of their items.  The
// threads have no fixed duty: each does whatever is open, the end of the line first, so that a slow
// consumer stops the producer and no thread waits while something can be done.
//
// Memory   at most max_in_flight items; of those that are worked on, or wait for their consumer, at
//          most max_weight in sum (an item heavier than all of it goes alone).  Nothing is produced
//          beyond that sum: one item at most waits with a weight that is too much.
// Errors   what a stage throws comes out here, after all threads have stopped.  Of several faults
//          the one of the earliest item wins, and all results before it are consumed: what happens
//          does not depend on the number of threads.
// Threads  `produce` and `consume` are each run by one thread at a time, never the same one
//          throughout; `work` by several.  n_threads of 1 runs everything in the calling thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace farthing {

struct PipelineLimits {
  int n_threads = 1;
  int max_in_flight = 8;
  std::int64_t max_weight = std::int64_t{1} << 60;
};

namespace pipeline_detail {
// The three stages on items that are owned through a pointer to void.
struct Stages {
  // An item and its weight; a null pointer at the end.
  std::function<std::pair<std::shared_ptr<void>, std::int64_t>()> produce;
  std::function<std::shared_ptr<void>(const std::shared_ptr<void>&)> work;
  std::function<void(const std::shared_ptr<void>&)> consume;
};
void run(const PipelineLimits& limits, const Stages& stages);
}  // namespace pipeline_detail

// bool produce(Item&, std::int64_t& weight);  Result work(Item&);  void consume(Result&)
template <class Item, class Result, class Produce, class Work, class Consume>
void run_pipeline(const PipelineLimits& limits, Produce&& produce, Work&& work, Consume&& consume) {
  pipeline_detail::Stages stages;
  stages.produce = [&]() -> std::pair<std::shared_ptr<void>, std::int64_t> {
    auto item = std::make_shared<Item>();
    std::int64_t weight = 0;
    if (!produce(*item, weight)) return {nullptr, 0};
    return {item, weight};
  };
  stages.work = [&](const std::shared_ptr<void>& item) -> std::shared_ptr<void> {
    return std::make_shared<Result>(work(*static_cast<Item*>(item.get())));
  };
  stages.consume = [&](const std::shared_ptr<void>& result) {
    consume(*static_cast<Result*>(result.get()));
  };
  pipeline_detail::run(limits, stages);
}

}  // namespace farthing
