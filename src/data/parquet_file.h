// parquet_file.h - the rows of one string column of a Parquet file.
//
// Through Arrow C++ where the build defines FARTHING_HAVE_ARROW and links it.  No preset does, and
// that half has not been compiled; opening a file is an error that says how to pipe it instead.
// Errors   Error{kBadInput}: path, and Arrow's words; no such column, another type.
// Memory   one row group.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace farthing {

class ParquetFile {
 public:
  ParquetFile(const std::string& path, const std::string& column);
  ~ParquetFile();
  // Appends the next row's string to `bytes`; false at the end.  A null is an empty string.
  bool next(std::string& bytes);
  std::int64_t row() const;  // of the last next(), from 1
  std::int64_t n_rows() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

bool parquet_is_built_in();

}  // namespace farthing
