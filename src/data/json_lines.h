// json_lines.h - the text of one line of a .jsonl file.
//
// Errors   none: what is wrong with the line is a value, since the caller may skip it.
// Cost     simdjson's DOM, one pass; the line is copied once.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace farthing {

class JsonLineParser {
 public:
  JsonLineParser();
  ~JsonLineParser();
  // Writes the string under `key` of the object that `line` is; "" or what is wrong: a key that
  // stands twice included.  Unless null, *others becomes the object without that key; "" when
  // nothing is left.
  std::string parse(std::string_view line, std::string_view key, std::string& text,
                    std::string* others = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
