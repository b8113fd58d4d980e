// text_stream.h - bytes of tokens into text that may be printed as it comes: whole characters only.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace farthing {

// A character whose bytes come in several tokens is held back until it is whole; what is no UTF-8
// becomes U+FFFD.  Text that may be the beginning of a stop string is held back too; where a stop
// string is found the text ends before it.
class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stops = {}) : stops_(std::move(stops)) {}

  // Adds bytes; returns what can be shown now.
  std::string add(std::string_view bytes);
  // What was held back, at the end.
  std::string finish();
  bool stopped() const { return stopped_; }
  // All that add() and finish() have returned.
  const std::string& text() const { return text_; }

 private:
  std::string show(std::size_t end);

  std::vector<std::string> stops_;
  std::string held_;
  std::string text_;
  bool stopped_ = false;
};

}  // namespace farthing
