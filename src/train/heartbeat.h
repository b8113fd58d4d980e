// heartbeat.h - a thread that says each second that the run is alive, so that a kill hides little.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace farthing {

// Calls beat() once a second until destroyed.  A beat that throws (a full disk) ends the beats and
// is forgotten: the run itself meets the same fault at its next event.
class Heartbeat {
 public:
  explicit Heartbeat(std::function<void()> beat);
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;
  ~Heartbeat();

 private:
  void run();

  std::function<void()> beat_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace farthing
