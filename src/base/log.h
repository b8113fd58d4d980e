// log.h - words for a person, sent to a sink that the program chooses; modules never print.
#pragma once
#include <functional>
#include <string>

namespace farthing {

// The default sink drops everything, as a library should.
void set_log_sink(std::function<void(const std::string& line)> sink);
void log_line(const std::string& line);

}  // namespace farthing
