// parquet_file.cpp - Arrow's record batches, or a message with the pipe that works.
#include "data/parquet_file.h"

#include "base/error.h"

#ifdef FARTHING_HAVE_ARROW
#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#endif

namespace farthing {

#ifdef FARTHING_HAVE_ARROW

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw_bad_input({path, what, "", "a Parquet file", ""});
}

}  // namespace

struct ParquetFile::State {
  State(const std::string& file_path, const std::string& wanted) : path(file_path) {
    try {
      open(wanted);
    } catch (const std::exception& fault) {  // Arrow's own, for damaged files
      refuse(path, std::string("cannot read: ") + fault.what());
    }
  }

  void open(const std::string& wanted) {
    auto file = arrow::io::ReadableFile::Open(path);
    if (!file.ok()) refuse(path, "cannot read: " + file.status().message());
    auto opened = parquet::arrow::OpenFile(*file, arrow::default_memory_pool());
    if (!opened.ok()) refuse(path, "cannot read: " + opened.status().message());
    reader = std::move(*opened);
    reader->set_use_threads(false);
    std::shared_ptr<arrow::Schema> schema;
    const auto status = reader->GetSchema(&schema);
    if (!status.ok()) refuse(path, "cannot read: " + status.message());
    column = schema->GetFieldIndex(wanted);
    if (column < 0) {
      throw_bad_input({path, "no column \"" + wanted + "\"", schema->ToString(), "a string column",
                       "--text-key names another"});
    }
    const auto type = schema->field(column)->type()->id();
    if (type != arrow::Type::STRING && type != arrow::Type::LARGE_STRING) {
      refuse(path, "column \"" + wanted + "\" is no string but " +
                       schema->field(column)->type()->ToString());
    }
    n_rows = reader->parquet_reader()->metadata()->num_rows();
    n_groups = reader->num_row_groups();
  }

  // The next chunk that has rows; false at the end.
  bool fetch() {
    while (true) {
      if (chunked && ++chunk < chunked->num_chunks()) {
        index = 0;
        return true;
      }
      if (group == n_groups) return false;
      try {
        const auto status = reader->RowGroup(group++)->Column(column)->Read(&chunked);
        if (!status.ok()) refuse(path, "cannot read: " + status.message());
      } catch (const parquet::ParquetException& fault) {
        refuse(path, std::string("cannot read: ") + fault.what());
      }
      chunk = -1;
    }
  }

  std::string_view value() const {
    const auto& array = *chunked->chunk(chunk);
    if (array.IsNull(index)) return {};
    if (array.type_id() == arrow::Type::STRING) {
      return static_cast<const arrow::StringArray&>(array).GetView(index);
    }
    return static_cast<const arrow::LargeStringArray&>(array).GetView(index);
  }

  std::string path;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::shared_ptr<arrow::ChunkedArray> chunked;
  int column = -1, group = 0, n_groups = 0, chunk = 0;
  std::int64_t index = 0, row = 0, n_rows = 0;
};

ParquetFile::ParquetFile(const std::string& path, const std::string& column)
    : state_(std::make_unique<State>(path, column)) {}

bool ParquetFile::next(std::string& bytes) {
  State& state = *state_;
  while (!state.chunked || state.index >= state.chunked->chunk(state.chunk)->length()) {
    if (!state.fetch()) return false;
  }
  bytes.append(state.value());
  ++state.index;
  ++state.row;
  return true;
}

std::int64_t ParquetFile::row() const { return state_->row; }
std::int64_t ParquetFile::n_rows() const { return state_->n_rows; }
bool parquet_is_built_in() { return true; }

#else

struct ParquetFile::State {};

ParquetFile::ParquetFile(const std::string& path, const std::string& column) {
  throw_bad_input(
      {path, "a Parquet file, and this program was built without Arrow C++", "", "",
       "python3 -c 'import sys, json, pyarrow.parquet as p; [print(json.dumps({\"" + column +
           "\": str(x)})) for b in p.ParquetFile(sys.argv[1]).iter_batches(columns=[\"" + column +
           "\"]) for x in b.column(0)]' " + path +
           " | farthing data prepare - -o DIR does; so does a build with Arrow"});
}

bool ParquetFile::next(std::string&) { return false; }
std::int64_t ParquetFile::row() const { return 0; }
std::int64_t ParquetFile::n_rows() const { return 0; }
bool parquet_is_built_in() { return false; }

#endif

ParquetFile::~ParquetFile() = default;

}  // namespace farthing
