// parquet_file.h - the rows of one string column of a Parquet file.
//
// Through Arrow C++ where CMake finds it, or -DFARTHING_PYARROW names the folder of a pyarrow wheel
// (FARTHING_HAVE_ARROW); elsewhere opening a file is an error that says how to pipe it instead.
// Errors   Error{kBadInput}: path, and Arrow's words; no such column, another type.
// Memory   64 rows and some pages of the column, however large a row group is: measured, 89 MB for
//          one of 194 MB of text, of which 35 MB are Arrow itself.
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
