// prefetch.cpp - a ring of samples, filled in order by whichever thread is free.
#include "data/prefetch.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"

namespace farthing {

// Samples [wanted, next) are in the ring, ready or in work.
struct PrefetchedStream::State {
  struct Slot {
    std::int64_t index = -1;  // of the sample that it holds or waits for
    bool ready = false;
    Sample sample;
    std::exception_ptr failure;
  };

  State(std::unique_ptr<SampleStream> of, int depth)
      : source(std::move(of)), slots(static_cast<std::size_t>(depth)) {}
  Slot& slot_of(std::int64_t index) {
    return slots[static_cast<std::size_t>(index) % slots.size()];
  }
  void work();
  void restart(std::int64_t index);

  std::unique_ptr<SampleStream> source;
  std::mutex mutex;
  std::condition_variable room, arrived;
  std::vector<Slot> slots;
  std::int64_t wanted = 0, next = 0;
  bool begun = false, ends = false;
  std::vector<std::thread> threads;
};

void PrefetchedStream::State::work() {
  Sample sample;
  std::unique_lock lock(mutex);
  for (;;) {
    room.wait(lock, [this] {
      return ends || (begun && next < wanted + static_cast<std::int64_t>(slots.size()));
    });
    if (ends) return;
    const std::int64_t index = next++;
    Slot& slot = slot_of(index);
    slot.index = index;
    slot.ready = false;
    std::exception_ptr failure;
    lock.unlock();
    try {
      source->read(index, sample);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (slot.index != index || slot.ready) continue;  // a restart wanted something else here
    std::swap(slot.sample, sample);
    slot.failure = failure;
    slot.ready = true;
    arrived.notify_all();
  }
}

// Forgets what is in the ring and fetches what follows `index`.
void PrefetchedStream::State::restart(std::int64_t index) {
  for (Slot& slot : slots) slot.index = -1;
  begun = true;
  wanted = next = index + 1;
  room.notify_all();
}

PrefetchedStream::PrefetchedStream(std::unique_ptr<SampleStream> source, int depth, int n_threads)
    : state_(std::make_unique<State>(std::move(source), depth)) {
  CHECK(depth >= 1 && n_threads >= 1);
  for (int i = 0; i < n_threads; ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->work(); });
  }
}

PrefetchedStream::~PrefetchedStream() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
  }
  state_->room.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

void PrefetchedStream::read(std::int64_t global_sample, Sample& out) const {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (!state.begun || global_sample != state.wanted) {
    state.restart(global_sample);
    lock.unlock();
    return state.source->read(global_sample, out);
  }
  State::Slot& slot = state.slot_of(global_sample);
  state.arrived.wait(lock, [&] { return slot.index == global_sample && slot.ready; });
  const std::exception_ptr failure = slot.failure;
  std::swap(out, slot.sample);
  slot.index = -1;
  slot.failure = nullptr;
  ++state.wanted;
  state.room.notify_one();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace farthing
