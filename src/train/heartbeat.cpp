// heartbeat.cpp - the thread and its end.
#include "train/heartbeat.h"

#include <chrono>
#include <exception>
#include <utility>

namespace farthing {

Heartbeat::Heartbeat(std::function<void()> beat)
    : beat_(std::move(beat)), thread_([this] { run(); }) {}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Heartbeat::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
    try {
      beat_();
    } catch (const std::exception&) {
      return;
    }
  }
}

}  // namespace farthing
