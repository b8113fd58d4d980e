// parallel.cpp - the pool: workers spin briefly for the next job, then sleep.
#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"

namespace farthing {
namespace {

constexpr int kSpins = 2000;  // about 20 us: a step's products follow each other closely
thread_local bool inside_body = false;

// Tells the core that it waits in a loop.
void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Job {
  std::int64_t n = 0;
  parallel_detail::Body body = nullptr;
  const void* context = nullptr;

  void run_share(int member, int n_members) const {
    const std::int64_t begin = n * member / n_members;
    const std::int64_t end = n * (member + 1) / n_members;
    if (begin < end) body(context, begin, end);
  }
};

class Pool {
 public:
  explicit Pool(int n_members) : n_members_(n_members) {
    for (int member = 1; member < n_members; ++member) {
      workers_.emplace_back([this, member] { work(member); });
    }
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    stop_.store(true);
    announce();
    for (auto& worker : workers_) worker.join();
  }

  int size() const { return n_members_; }

  void run(const Job& job) {
    job_ = job;
    pending_.store(n_members_ - 1);
    announce();
    inside_body = true;
    job.run_share(0, n_members_);
    inside_body = false;
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin > kSpins) std::this_thread::yield();
    }
  }

 private:
  void announce() {
    {
      const std::lock_guard lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
  }

  std::uint64_t wait_for_change(std::uint64_t seen) {
    for (int spin = 0; spin < kSpins; ++spin) {
      const auto now = generation_.load(std::memory_order_acquire);
      if (now != seen) return now;
      pause_core();
    }
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    return generation_.load(std::memory_order_acquire);
  }

  void work(int member) {
    inside_body = true;
    std::uint64_t seen = 0;
    while (true) {
      seen = wait_for_change(seen);
      if (stop_.load()) return;
      job_.run_share(member, n_members_);
      pending_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  const int n_members_;
  Job job_;
  std::atomic<int> pending_{0};
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

std::unique_ptr<Pool>& pool() {
  static auto instance = std::make_unique<Pool>(available_processors());
  return instance;
}

// cgroup v2: "max 100000" or "150000 100000".
int cgroup_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1 << 20;
  return std::max(1, static_cast<int>(std::stod(quota) / period));
}

}  // namespace

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::min(CPU_COUNT(&set), cgroup_quota());
}

void set_num_threads(int count) {
  CHECK(count >= 1);
  CHECK(!inside_body);
  if (pool()->size() != count) pool() = std::make_unique<Pool>(count);
}

int num_threads() { return pool()->size(); }

namespace parallel_detail {
void run(std::int64_t n, Body body, const void* context) {
  if (n <= 0) return;
  if (inside_body || n == 1 || num_threads() == 1) {
    body(context, 0, n);
    return;
  }
  pool()->run({n, body, context});
}
}  // namespace parallel_detail

}  // namespace farthing
