// support.cpp - shared options, output and the progress line.
#include "cli/support.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "report/table.h"

namespace farthing {
namespace {

constexpr int kMaxThreads = 1024;
constexpr double kSecondsBetweenLines = 0.1;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::size_t terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// Characters, not bytes: every byte that does not continue a UTF-8 sequence.
std::size_t n_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::vector<std::string> command_words;

std::string quoted_for_shell(const std::string& word) {
  const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

void write_page(const std::string& path, const std::string& html) {
  std::ifstream there(path, std::ios::binary);
  std::string begin(15, ' ');
  there.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  const bool is_regular = std::filesystem::is_regular_file(path);
  std::transform(begin.begin(), begin.end(), begin.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (is_regular && there.gcount() > 0 && begin != "<!doctype html>") {
    throw_bad_input(
        {path, "a file that is no HTML page is there", "", "a new file, or a page", ""});
  }
  write_file_atomically(path, html);
}

void set_command_words(int argc, char** argv) { command_words.assign(argv + 1, argv + argc); }

std::string command_as_given() {
  std::string text = "farthing";
  for (std::size_t i = 0; i < command_words.size(); ++i) {
    const std::string& word = command_words[i];
    if (word == "--html") ++i;
    if (word == "--json" || word.starts_with("--html")) continue;
    text += " " + quoted_for_shell(word);
  }
  return text;
}

void set_example(Command& command, const std::string& example) {
  command.footer("Example:\n  " + example);
}

void add_json_flag(Command& command, bool& json) {
  command.add_flag("--json", json, "print JSON for programs instead of text");
}

std::vector<std::string> with_precision_override(std::vector<std::string> overrides,
                                                 const std::string& precision) {
  if (!precision.empty()) overrides.push_back("precision.matmul=\"" + precision + "\"");
  return overrides;
}

void add_threads_option(Command& command, int& threads) {
  command.add_option("--threads", threads, "threads; 0: all available processors");
}

double value_from_zero(const std::string& text, Dimension dimension, const char* flag) {
  const double value = flag_value([&] { return parse_as(text, dimension, flag); });
  if (value >= 0) return value;
  throw_wrong_use({flag, "out of range", text, "0 or more", ""});
}

double positive_value(const std::string& text, Dimension dimension, const char* flag) {
  const double value = flag_value([&] { return parse_as(text, dimension, flag); });
  if (value > 0) return value;
  throw Error(ErrorCode::kUsage,
              std::string(flag) + ": found \"" + text + "\", wanted more than 0");
}

std::string read_input(const std::string& path) {
  if (path != "-") return read_file(path);
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

Option* refuse_empty(Option* option) {
  return option->check([](const std::string& text) {
    return text.empty() ? std::string("found \"\", wanted a word") : std::string();
  });
}

void apply_threads(int threads) {
  if (threads < 0 || threads > kMaxThreads) {
    throw Error{ErrorCode::kUsage, to_string({"--threads", "out of range", std::to_string(threads),
                                              "0 to " + std::to_string(kMaxThreads), ""})};
  }
  set_num_threads(threads == 0 ? available_processors() : threads);
}

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

void print_json(const Json& json) {
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

std::string format_table(const std::vector<std::vector<std::string>>& wanted) {
  const auto rows = wrap_cells(wanted, 2, 0);
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], n_characters(row[column]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string padding(widths[column] - n_characters(row[column]), ' ');
      if (column > 0) text += "  ";
      text += column == 0 ? row[column] + padding : padding + row[column];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

std::size_t output_columns() {
  constexpr std::size_t kLeast = 30, kMost = 10'000;
  std::size_t columns = 0;
  winsize size{};
  if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    columns = size.ws_col;
  }
  if (const char* given = std::getenv("COLUMNS")) {
    const std::size_t n = std::strtoul(given, nullptr, 10);
    if (n > 0 && n < kMost) columns = n;
  }
  return columns == 0 ? 0 : std::max(columns, kLeast);
}

std::string share_folder() {
  const char* chosen = std::getenv("FARTHING_SHARE");
  return chosen != nullptr && *chosen != '\0' ? chosen : FARTHING_SHARE_DIR;
}

ProgressLine::ProgressLine()
    : on_terminal_(stderr_is_terminal()), started_seconds_(now_seconds()) {}

ProgressLine::~ProgressLine() { end(); }

void ProgressLine::show(std::string_view text, std::string_view shorter) {
  if (!on_terminal_) return;
  const double now = now_seconds();
  if (shown_ && now - last_seconds_ < kSecondsBetweenLines) return;
  last_seconds_ = now;
  write(text, shorter);
}

void ProgressLine::write(std::string_view text, std::string_view shorter) {
  const std::size_t columns = terminal_columns();
  const bool fits = n_characters(text) < columns || shorter.empty();
  std::string line(fits ? text : shorter);
  while (n_characters(line) + 1 > columns && !line.empty()) line.pop_back();
  std::cerr << "\r" + line + "\x1b[K" << std::flush;  // at once: what is typed echoes between
  shown_ = true;
}

void ProgressLine::show_share(double done, double total, std::string_view unit) {
  const double rate = done / std::max(now_seconds() - started_seconds_, 1e-9);
  std::string text = format_count(done) + " of " + format_count(total) + " " + std::string(unit) +
                     ", " + format_rate(rate) + " " + std::string(unit) + "/s";
  if (rate > 0) text += ", " + format_seconds(std::max(total - done, 0.0) / rate) + " left";
  show(text);
}

void ProgressLine::end() {
  if (shown_) std::cerr << std::endl;
  shown_ = false;
}

}  // namespace farthing
