// check.cpp - what a failed CHECK says.
#include "base/check.h"

#include <cstring>

#include "base/error.h"

namespace farthing::check_detail {

void fail(const char* file, int line, const char* condition, const std::string& values,
          std::string_view words) {
  const char* slash = std::strrchr(file, '/');
  std::string message = std::string(slash ? slash + 1 : file) + ":" + std::to_string(line) +
                        ": CHECK(" + condition + ")";
  if (!values.empty()) message += ": " + values;
  if (!words.empty()) message += ": " + std::string(words);
  throw Error(ErrorCode::kFailed, message);
}

}  // namespace farthing::check_detail
