// import_log.cpp - fields found by their names, line by line.
#include "ledger/import_log.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>

#include "base/error.h"

namespace farthing {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMostSteps = 1e12, kMostSeconds = 1e7;

// The number at the beginning of text, blanks and thousands' commas allowed.
std::optional<double> leading_number(std::string_view text) {
  std::string digits;
  for (const char c : text.substr(0, 64)) {
    if (digits.empty() && (c == ' ' || c == '\t')) continue;
    if (c == ',') continue;
    if (std::isdigit(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-' && c != '+' &&
        c != 'e' && c != 'E') {
      break;
    }
    digits += c;
  }
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (digits.empty() || end == digits.c_str()) return std::nullopt;
  return value;
}

std::optional<double> number_after(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  return at == std::string_view::npos ? std::nullopt
                                      : leading_number(line.substr(at + name.size()));
}

double or_none(std::optional<double> value) {
  return value && std::isfinite(*value) ? *value : kNone;
}
double positive(std::optional<double> value, double most) {
  return value && *value > 0 && *value <= most ? *value : 0;
}

std::optional<std::int64_t> step_number(std::optional<double> value, const std::string& where) {
  if (!value || !(*value >= 0)) return std::nullopt;
  if (*value > kMostSteps) {
    throw_bad_input({where, "step number", fmt::format("{:.3g}", *value), "at most 1e12", ""});
  }
  return static_cast<std::int64_t>(*value);
}

std::string without_colours(std::string_view line) {
  std::string plain;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      i += 2;
      while (i < line.size() && std::isalpha(static_cast<unsigned char>(line[i])) == 0) ++i;
      continue;
    }
    plain += line[i];
  }
  return plain;
}

std::optional<ImportedStep> megatron_step(std::string_view line, const std::string& where) {
  const std::size_t at = line.find("iteration ");
  if (at == std::string_view::npos || line.find("elapsed time per iteration") == line.npos) {
    return std::nullopt;
  }
  const auto step = step_number(leading_number(line.substr(at + 10)), where);
  if (!step) return std::nullopt;
  ImportedStep found;
  found.step = *step;
  found.seconds =
      positive(number_after(line, "elapsed time per iteration (ms):"), kMostSeconds * 1e3) / 1e3;
  found.loss = or_none(number_after(line, "lm loss:"));
  found.learning_rate = or_none(number_after(line, "learning rate:"));
  found.grad_norm = or_none(number_after(line, "grad norm:"));
  found.sequences = positive(number_after(line, "global batch size:"), 1e9);
  return found;
}

std::optional<ImportedStep> torchtitan_step(std::string_view coloured, const std::string& where) {
  const std::string line = without_colours(coloured);
  if (line.find("step:") == std::string::npos || line.find("loss:") == std::string::npos) {
    return std::nullopt;
  }
  const auto step = step_number(number_after(line, "step:"), where);
  if (!step) return std::nullopt;
  ImportedStep found;
  found.step = *step;
  found.loss = or_none(number_after(line, "loss:"));
  found.grad_norm = or_none(number_after(line, "grad_norm:"));
  found.learning_rate = or_none(number_after(line, "lr:"));
  found.tokens_per_second_per_device = positive(number_after(line, "tps:"), 1e9);
  return found;
}

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells(1);
  bool in_quotes = false;
  for (const char c : line) {
    if (c == '"')
      in_quotes = !in_quotes;
    else if (c == ',' && !in_quotes)
      cells.emplace_back();
    else if (c != '\r')
      cells.back() += c;
  }
  return cells;
}

// A whole cell as a number; nothing where it is empty.  Errors: Error{kBadInput} for other text.
std::optional<double> cell_number(const std::string& cell, const char* column,
                                  const std::string& where) {
  const std::size_t begin = cell.find_first_not_of(" \t");
  if (begin == std::string::npos) return std::nullopt;
  std::string digits;
  for (const char c : cell.substr(begin, cell.find_last_not_of(" \t") + 1 - begin)) {
    if (c != ',') digits += c;
  }
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (*end != '\0') throw_bad_input({where, column, cell.substr(0, 40), "a number", ""});
  return value;
}

// Of seconds and tokens: above 0 where the cell is not empty.
double cell_amount(std::optional<double> value, double most, const char* column,
                   const std::string& where) {
  if (!value) return 0;
  if (*value > 0 && *value <= most) return *value;
  throw_bad_input({where, column, fmt::format("{:g}", *value),
                   fmt::format("above 0, at most {:g}; an empty cell where it is not known", most),
                   ""});
}

struct CsvColumns {
  std::ptrdiff_t count = 0;
  std::ptrdiff_t step = -1, seconds = -1, ms = -1, loss = -1, tokens = -1, rate = -1, norm = -1;
};

CsvColumns columns_of(std::string_view header, const std::string& where) {
  CsvColumns columns;
  const auto cells = cells_of(header);
  const auto find = [&](std::initializer_list<const char*> names) -> std::ptrdiff_t {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      std::string cell;
      for (const char c : cells[i]) {
        if (c != ' ') cell += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      for (const char* name : names) {
        if (cell == name) return static_cast<std::ptrdiff_t>(i);
      }
    }
    return -1;
  };
  columns.step = find({"step", "iteration", "iter", "_step"});
  columns.seconds = find({"seconds", "step_seconds", "step_time_s", "step_time", "time_s"});
  columns.ms = find({"ms", "step_ms", "step_time_ms"});
  columns.loss = find({"loss", "lm_loss", "train_loss"});
  columns.tokens = find({"tokens", "step_tokens", "tokens_per_step"});
  columns.rate = find({"learning_rate", "lr"});
  columns.norm = find({"grad_norm"});
  columns.count = std::ssize(cells);
  if (columns.step < 0 || (columns.seconds < 0 && columns.ms < 0)) {
    throw_bad_input({where + ":1", "columns", std::string(header.substr(0, 80)),
                     "a header with step and seconds (or ms); loss, tokens, learning_rate, "
                     "grad_norm where known",
                     ""});
  }
  return columns;
}

std::optional<ImportedStep> csv_step(std::string_view line, const CsvColumns& columns,
                                     const std::string& where) {
  const auto cells = cells_of(line);
  const auto at = [&](std::ptrdiff_t column, const char* name) -> std::optional<double> {
    if (column < 0) return std::nullopt;
    return cell_number(cells[static_cast<std::size_t>(column)], name, where);
  };
  if (columns.step >= std::ssize(cells)) return std::nullopt;
  const auto number = leading_number(cells[static_cast<std::size_t>(columns.step)]);
  const auto step = step_number(number, where);
  if (!step) return std::nullopt;  // the caller names the row
  if (std::ssize(cells) != columns.count) {
    throw_bad_input({where, "cells of a row", std::to_string(cells.size()),
                     std::to_string(columns.count) + ", as the header", ""});
  }
  if (*number != std::floor(*number)) {
    throw_bad_input({where, "step number", fmt::format("{:g}", *number), "a whole number", ""});
  }
  ImportedStep found;
  found.step = *step;
  found.seconds = columns.seconds >= 0
                      ? cell_amount(at(columns.seconds, "seconds"), kMostSeconds, "seconds", where)
                      : cell_amount(at(columns.ms, "ms"), kMostSeconds * 1e3, "ms", where) / 1e3;
  found.loss = or_none(at(columns.loss, "loss"));
  found.learning_rate = or_none(at(columns.rate, "learning_rate"));
  found.grad_norm = or_none(at(columns.norm, "grad_norm"));
  found.tokens = cell_amount(at(columns.tokens, "tokens"), 1e15, "tokens", where);
  return found;
}

std::string number_or_null(double value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
}

std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    const auto byte = static_cast<unsigned char>(c);
    json += byte < 0x20 || byte > 0x7e ? '?' : c;
  }
  return json + "\"";
}

double tokens_of(const ImportedStep& step, const ImportContext& context) {
  if (step.tokens > 0) return step.tokens;
  if (step.sequences > 0 && context.sequence_length > 0) {
    return step.sequences * context.sequence_length;
  }
  return context.tokens_per_step;
}

double seconds_of(const ImportedStep& step, const ImportContext& context) {
  if (step.seconds > 0) return step.seconds;
  const double rate = step.tokens_per_second_per_device * context.n_devices;
  const double tokens = tokens_of(step, context);
  return rate > 0 && tokens > 0 ? tokens / rate : 0;
}

double median_seconds(const ImportedLog& log, const ImportContext& context) {
  std::vector<double> known;
  for (const ImportedStep& step : log.steps) {
    const double seconds = seconds_of(step, context);
    if (seconds > 0) known.push_back(seconds);
  }
  if (known.empty()) return 0;
  std::nth_element(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2),
                   known.end());
  return known[known.size() / 2];
}

// Walks the steps with a clock for each attempt.
class ImportWriter {
 public:
  ImportWriter(const ImportedLog& log, const ImportContext& context)
      : log_(log), context_(context), median_(median_seconds(log, context)) {}

  std::string write() {
    std::int64_t last = -1;
    for (const ImportedStep& step : log_.steps) {
      if (last < 0 || step.step <= last) begin_attempt(last < 0 ? -1 : step.step - 1);
      const bool is_first = last < 0 || step.step <= last;
      write_step(step, is_first ? 1 : step.step - last);
      last = step.step;
    }
    line("run_end", fmt::format("\"reason\":\"end of the log\",\"step\":{}", last));
    return std::move(text_);
  }

 private:
  void line(const char* kind, const std::string& fields) {
    text_ += fmt::format(
        "{{\"time_unix\":{:.3f},\"t_monotonic\":{:.6f},\"attempt\":{},\"rank\":0,"
        "\"kind\":\"{}\",{}}}\n",
        context_.begun_unix + earlier_ + now_, now_, attempt_, kind, fields);
  }
  std::string device() const {
    return context_.device.empty() ? kDeviceNotStated : context_.device;
  }
  void begin_attempt(std::int64_t resumed) {
    if (attempt_ > 0) earlier_ += now_;
    now_ = 0;
    ++attempt_;
    std::string fields = fmt::format(
        "\"imported\":true,\"source\":{},\"model\":{},\"cluster\":{},\"device\":{},\"n_devices\":{}"
        ","
        "\"n_threads\":{},\"cpu\":{},\"parameters\":{:.0f},\"active_parameters\":{:.0f},"
        "\"model_flops_per_token\":{:.9g},\"skipped_lines\":{}",
        quoted(context_.source), quoted(context_.model), quoted(context_.cluster), quoted(device()),
        context_.n_devices, context_.n_devices,
        quoted(fmt::format("{} x {} (imported)", context_.n_devices,
                           context_.device.empty() ? "device not stated" : context_.device)),
        context_.parameters, context_.active_parameters, context_.model_flops_per_token,
        log_.skipped_lines);
    fields += site_fields(context_.site);
    if (resumed >= 0) {
      fields += fmt::format(",\"resumed_step\":{}", resumed);
      while (!at_step_.empty() && at_step_.back().first > resumed) at_step_.pop_back();
      tokens_ = at_step_.empty() ? 0 : at_step_.back().second;
    }
    line("run_start", fields);
  }
  void write_step(const ImportedStep& step, std::int64_t covered) {
    std::string estimated;
    double seconds = seconds_of(step, context_);
    if (!(seconds > 0)) {
      seconds = median_;
      estimated = "\"seconds\"";
    } else if (covered > 1) {
      estimated = "\"seconds\"";  // a mean, or the last of so many
    }
    const double tokens = tokens_of(step, context_) * static_cast<double>(covered);
    if (step.tokens <= 0 && step.sequences <= 0 && tokens > 0) {
      estimated += estimated.empty() ? "\"tokens\"" : ",\"tokens\"";
    }
    const double total = std::min(seconds * static_cast<double>(covered), 1e12);
    now_ += total;
    tokens_ = std::min(tokens_ + tokens, 8e18);
    at_step_.emplace_back(step.step, tokens_);
    line("step",
         fmt::format("\"step\":{},\"tokens\":{:.0f},\"step_tokens\":{:.0f},\"steps\":{},"
                     "\"loss\":{},\"learning_rate\":{},\"grad_norm\":{},"
                     "\"seconds\":{{\"compute\":{:.6f}}},\"model_flops\":{:.9g},"
                     "\"estimated\":[{}]",
                     step.step, tokens_, std::min(tokens, 8e18), covered, number_or_null(step.loss),
                     number_or_null(step.learning_rate), number_or_null(step.grad_norm), total,
                     tokens * context_.model_flops_per_token, estimated));
  }

  const ImportedLog& log_;
  const ImportContext& context_;
  double median_;
  std::string text_;
  int attempt_ = 0;
  double now_ = 0, earlier_ = 0, tokens_ = 0;
  std::vector<std::pair<std::int64_t, double>> at_step_;
};

}  // namespace

ImportedLog parse_log(std::string_view text, const std::string& where, LogFormat format) {
  ImportedLog log;
  CsvColumns columns;
  std::size_t begin = 0;
  for (std::int64_t number = 1; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::string place = where + ":" + std::to_string(number);
    if (format == LogFormat::kCsv && number == 1) {
      columns = columns_of(line, where);
      continue;
    }
    const auto step = format == LogFormat::kMegatron     ? megatron_step(line, place)
                      : format == LogFormat::kTorchtitan ? torchtitan_step(line, place)
                                                         : csv_step(line, columns, place);
    if (step) {
      log.steps.push_back(*step);
    } else if (!line.empty() && line != "\r") {
      ++log.skipped_lines;
      if (format == LogFormat::kCsv && log.skipped_rows.size() < kMostNamedRows) {
        log.skipped_rows.push_back(number);
      }
    }
  }
  if (log.steps.empty()) {
    constexpr const char* kWanted[] = {
        "lines with \"iteration N/M | ... elapsed time per iteration (ms): T | ... lm loss: L\"",
        "lines with \"step: N  loss: L ... tps: R\"", "rows under a header with step and seconds"};
    throw_bad_input({where, "no step found in " + std::to_string(log.skipped_lines) + " lines", "",
                     kWanted[static_cast<std::size_t>(format)], "is --format right?"});
  }
  return log;
}

ImportNotes notes_of(const ImportedLog& log, const ImportContext& context) {
  ImportNotes notes;
  std::vector<std::int64_t> strides;
  for (std::size_t i = 1; i < log.steps.size(); ++i) {
    const std::int64_t stride = log.steps[i].step - log.steps[i - 1].step;
    if (stride > 0) strides.push_back(stride);
  }
  const auto middle = strides.begin() + std::ssize(strides) / 2;
  if (!strides.empty()) std::nth_element(strides.begin(), middle, strides.end());
  const std::int64_t usual = strides.empty() ? 1 : *middle;
  for (std::size_t i = 0; i < log.steps.size(); ++i) {
    const ImportedStep& step = log.steps[i];
    notes.without_seconds += seconds_of(step, context) > 0 ? 0 : 1;
    notes.without_tokens += tokens_of(step, context) > 0 ? 0 : 1;
    notes.without_loss += std::isfinite(step.loss) ? 0 : 1;
    if (i == 0) continue;
    const std::int64_t stride = step.step - log.steps[i - 1].step;
    notes.goes_back += stride <= 0 ? 1 : 0;
    notes.steps_in_gaps += stride > usual ? stride - usual : 0;
  }
  return notes;
}

std::string to_events(const ImportedLog& log, const ImportContext& context) {
  return ImportWriter(log, context).write();
}

}  // namespace farthing
