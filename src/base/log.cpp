// log.cpp - one sink.
#include "base/log.h"

#include <utility>

namespace farthing {
namespace {
std::function<void(const std::string&)>& sink() {
  static std::function<void(const std::string&)> instance = [](const std::string&) {};
  return instance;
}
}  // namespace

void set_log_sink(std::function<void(const std::string&)> new_sink) {
  sink() = std::move(new_sink);
}
void log_line(const std::string& line) { sink()(line); }

}  // namespace farthing
