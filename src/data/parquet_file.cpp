// parquet_file.cpp - Arrow's record batches, or a message with the pipe that works.
#include "data/parquet_file.h"

#include "base/error.h"

#ifdef FARTHING_HAVE_ARROW
#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <new>
#include <numeric>
#include <string_view>
#include <vector>
#endif

namespace farthing {

#ifdef FARTHING_HAVE_ARROW

namespace {

constexpr std::int64_t kRowsAtOnce = 64;

}  // namespace

struct ParquetFile::State {
  State(const std::string& file_path, const std::string& wanted) : path(file_path) {
    guarded([&] { open(wanted); });
  }

  // Arrow says some faults of a file with exceptions of its own.
  template <class Action>
  void guarded(const Action& action) const {
    try {
      action();
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& fault) {
      refuse(fault.what());
    }
  }

  [[noreturn]] void refuse(const std::string& cause) const {
    const std::string place = row > 0 ? " behind row " + std::to_string(row) : "";
    throw_bad_input({path, "cannot read" + place + ": " + cause, "", "a Parquet file", ""});
  }

  void check(const arrow::Status& status) const {
    if (!status.ok()) refuse(status.message());
  }

  // Pages are read as they are needed: neither a row group nor a column is ever held whole.
  void open(const std::string& wanted) {
    auto file = arrow::io::ReadableFile::Open(path);
    check(file.status());
    arrow::MemoryPool* const pool =
        arrow::system_memory_pool();  // the default one keeps what it had
    parquet::ReaderProperties pages(pool);
    pages.enable_buffered_stream();
    parquet::ArrowReaderProperties columns(/*use_threads=*/false);
    columns.set_pre_buffer(false);
    columns.set_batch_size(kRowsAtOnce);
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(*file, pages));
    builder.memory_pool(pool)->properties(columns);
    check(builder.Build(&reader));
    std::shared_ptr<arrow::Schema> schema;
    check(reader->GetSchema(&schema));
    const int column = schema->GetFieldIndex(wanted);
    if (column < 0) {
      throw_bad_input({path, "no column \"" + wanted + "\" that stands once", names(*schema),
                       "a string column", "--text-key names another"});
    }
    const auto type = schema->field(column)->type();
    if (type->id() != arrow::Type::STRING && type->id() != arrow::Type::LARGE_STRING) {
      throw_bad_input({path, "the column \"" + wanted + "\"", type->ToString(), "a string column",
                       "--text-key names another"});
    }
    n_rows = reader->parquet_reader()->metadata()->num_rows();
    std::vector<int> groups(static_cast<std::size_t>(reader->num_row_groups()));
    std::iota(groups.begin(), groups.end(), 0);
    open_batches(*reader, groups, leaves(schema->field(column)->name()));
  }

  // Arrow's older releases return a status and write the reader.
  template <class Reader>
  void open_batches(Reader& file, const std::vector<int>& groups, const std::vector<int>& columns) {
    if constexpr (requires { file.GetRecordBatchReader(groups, columns); }) {
      auto opened = file.GetRecordBatchReader(groups, columns);
      check(opened.status());
      batches = std::move(*opened);
    } else {
      std::unique_ptr<arrow::RecordBatchReader> opened;
      check(file.GetRecordBatchReader(groups, columns, &opened));
      batches = std::move(opened);
    }
  }

  static std::string names(const arrow::Schema& schema) {
    std::string all;
    for (const auto& name : schema.field_names()) all += (all.empty() ? "" : ", ") + name;
    return all;
  }

  // Columns are numbered by their leaves, of which a nested one has several.
  std::vector<int> leaves(const std::string& name) const {
    const auto* const schema = reader->parquet_reader()->metadata()->schema();
    std::vector<int> found;
    for (int leaf = 0; leaf < schema->num_columns(); ++leaf) {
      if (schema->GetColumnRoot(leaf)->name() == name) found.push_back(leaf);
    }
    return found;
  }

  // The next batch that has rows; false at the end.
  bool fetch() {
    index = 0;
    do {
      batch.reset();
      guarded([&] { check(batches->ReadNext(&batch)); });
      if (!batch) {
        if (row != n_rows) refuse("ends early, " + std::to_string(n_rows) + " rows were promised");
        return false;
      }
    } while (batch->num_rows() == 0);
    return true;
  }

  std::string_view value() const {
    const auto& array = *batch->column(0);
    if (array.IsNull(index)) return {};
    if (array.type_id() == arrow::Type::STRING) {
      return static_cast<const arrow::StringArray&>(array).GetView(index);
    }
    return static_cast<const arrow::LargeStringArray&>(array).GetView(index);
  }

  std::string path;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::shared_ptr<arrow::RecordBatchReader> batches;
  std::shared_ptr<arrow::RecordBatch> batch;
  std::int64_t index = 0, row = 0, n_rows = 0;
};

ParquetFile::ParquetFile(const std::string& path, const std::string& column)
    : state_(std::make_unique<State>(path, column)) {}

bool ParquetFile::next(std::string& bytes) {
  State& state = *state_;
  if ((!state.batch || state.index >= state.batch->num_rows()) && !state.fetch()) return false;
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
           "\": x.as_py() or \"\"})) for b in p.ParquetFile(sys.argv[1]).iter_batches(64, "
           "columns=[\"" +
           column + "\"]) for x in b.column(0)]' '" + path +
           "' | farthing data prepare - --text-key '" + column +
           "' -o DIR reads it; so does a build with -DFARTHING_PYARROW or Arrow C++"});
}

bool ParquetFile::next(std::string&) { return false; }
std::int64_t ParquetFile::row() const { return 0; }
std::int64_t ParquetFile::n_rows() const { return 0; }
bool parquet_is_built_in() { return false; }

#endif

ParquetFile::~ParquetFile() = default;

}  // namespace farthing
