// pipeline.cpp - one lock, three kinds of work, and the rule that says which comes first.
#include "base/pipeline.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace farthing::pipeline_detail {
namespace {

using Lock = std::unique_lock<std::mutex>;

struct Waiting {
  std::int64_t number = 0;
  std::int64_t weight = 0;
  std::shared_ptr<void> item;
};

struct Done {
  std::int64_t weight = 0;
  std::shared_ptr<void> result;
  std::exception_ptr fault;
};

class Line {
 public:
  Line(const PipelineLimits& limits, const Stages& stages) : limits_(limits), stages_(stages) {}

  // What every thread does until nothing is left.
  void take_part() {
    Lock lock(mutex_);
    while (true) {
      if (stopped_ || (ended_ && in_flight_ == 0)) return;
      const auto next = done_.find(next_consumed_);
      if (!consuming_ && next != done_.end()) {
        consume(lock, next);
      } else if (!waiting_.empty() && may_work(waiting_.front())) {
        work(lock);
      } else if (!ended_ && !producing_ && has_room()) {
        produce(lock);
      } else {
        changed_.wait(lock);
      }
    }
  }

  void rethrow() const {
    if (fault_) std::rethrow_exception(fault_);
  }

 private:
  bool has_room() const {
    return in_flight_ == 0 || (in_flight_ < limits_.max_in_flight && weight_ < limits_.max_weight);
  }

  bool may_work(const Waiting& next) const {
    return active_weight_ == 0 || active_weight_ + next.weight <= limits_.max_weight;
  }

  void produce(Lock& lock) {
    producing_ = true;
    lock.unlock();
    std::pair<std::shared_ptr<void>, std::int64_t> made{nullptr, 0};
    std::exception_ptr fault;
    try {
      made = stages_.produce();
    } catch (...) {
      fault = std::current_exception();
    }
    lock.lock();
    producing_ = false;
    if (fault) {  // takes its place in the line, behind what was produced before
      done_[next_number_++] = {0, nullptr, fault};
      ++in_flight_;
      ended_ = true;
    } else if (made.first) {
      waiting_.push_back({next_number_++, made.second, std::move(made.first)});
      weight_ += made.second;
      ++in_flight_;
    } else {
      ended_ = true;
    }
    changed_.notify_all();
  }

  void work(Lock& lock) {
    Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    active_weight_ += waiting.weight;
    lock.unlock();
    Done done{waiting.weight, nullptr, nullptr};
    try {
      done.result = stages_.work(waiting.item);
      waiting.item.reset();
    } catch (...) {
      done.fault = std::current_exception();
    }
    lock.lock();
    done_[waiting.number] = std::move(done);
    changed_.notify_all();
  }

  void consume(Lock& lock, std::map<std::int64_t, Done>::iterator next) {
    Done done = std::move(next->second);
    done_.erase(next);
    consuming_ = true;
    lock.unlock();
    std::exception_ptr fault = done.fault;
    try {
      if (!fault) stages_.consume(done.result);
    } catch (...) {
      fault = std::current_exception();
    }
    done.result.reset();
    lock.lock();
    consuming_ = false;
    ++next_consumed_;
    weight_ -= done.weight;
    active_weight_ -= done.weight;
    --in_flight_;
    if (fault) {
      fault_ = fault;
      stopped_ = true;
    }
    changed_.notify_all();
  }

  const PipelineLimits limits_;
  const Stages& stages_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  std::map<std::int64_t, Done> done_;
  std::int64_t next_number_ = 0, next_consumed_ = 0;
  std::int64_t weight_ = 0, active_weight_ = 0;
  int in_flight_ = 0;
  bool producing_ = false, consuming_ = false, ended_ = false, stopped_ = false;
  std::exception_ptr fault_;
};

}  // namespace

void run(const PipelineLimits& limits, const Stages& stages) {
  CHECK(limits.n_threads >= 1);
  CHECK(limits.max_in_flight >= 1);
  Line line(limits, stages);
  std::vector<std::thread> helpers;
  for (int helper = 1; helper < limits.n_threads; ++helper) {
    helpers.emplace_back([&line] { line.take_part(); });
  }
  line.take_part();
  for (auto& helper : helpers) helper.join();
  line.rethrow();
}

}  // namespace farthing::pipeline_detail
