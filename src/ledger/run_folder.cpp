// run_folder.cpp - making, owning and numbering; the project's ledger.
#include "ledger/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/error.h"
#include "ledger/events.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

std::string without_last_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

int last_attempt(const std::string& events) {
  int last = 0;
  if (!file_exists(events)) return last;
  read_events(events, [&](const Json& event) {
    last = std::max(last, static_cast<int>(std::clamp(event["attempt"].get<double>(), 0.0, 1e9)));
  });
  return last;
}

std::string owner_of(const std::string& lock) {
  std::ifstream file(lock);
  long pid = 0;
  return file >> pid ? "process " + std::to_string(pid) : "another process";
}

// Runs of one project share its ledger; each holds the lock for a moment.
FileLock wait_for_lock(const std::string& path) {
  constexpr int kTries = 500;
  for (int i = 0; i < kTries; ++i) {
    if (auto lock = FileLock::try_lock(path)) return *std::move(lock);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw Error(ErrorCode::kFailed, path + ": held by another process for five seconds");
}

}  // namespace

RunPaths::RunPaths(std::string folder_path) : folder(without_last_slash(std::move(folder_path))) {
  const auto inside = [&](const char* name) { return folder + "/" + name; };
  recipe = inside("recipe.toml");
  events = inside("events.jsonl");
  tokenizer = inside("tokenizer.json");
  checkpoints = inside("checkpoints");
  model = inside("model");
  receipt_json = inside("receipt.json");
  receipt_html = inside("receipt.html");
  lock = inside("run.lock");
  const std::string parent = fs::path(folder).parent_path().string();
  project_ledger = parent.empty() ? "ledger.jsonl" : (fs::path(parent) / "ledger.jsonl").string();
}

std::string RunPaths::name() const { return fs::path(folder).filename().string(); }

RunFolder::RunFolder(RunPaths paths, TentativeFolder made, FileLock lock, int attempt)
    : paths_(std::move(paths)), made_(std::move(made)), lock_(std::move(lock)), attempt_(attempt) {}

RunFolder::~RunFolder() {
  for (const std::string& file : new_files_) unlink(file.c_str());
}

void RunFolder::keep() {
  made_.keep();
  new_files_.clear();
}

RunFolder RunFolder::open(const std::string& path) {
  if (path.empty()) throw_bad_input({"--run", "a run folder", "no name", "a path", ""});
  RunPaths paths(path);
  TentativeFolder made(paths.checkpoints);
  const bool lock_is_new = !file_exists(paths.lock);
  std::optional<FileLock> lock = FileLock::try_lock(paths.lock);
  if (!lock) {
    throw Error(ErrorCode::kFailed, paths.folder + ": " + owner_of(paths.lock) +
                                        " is training this run (wait for it, or choose another "
                                        "folder with --run)");
  }
  std::ofstream(paths.lock, std::ios::trunc) << getpid() << '\n';
  const int attempt = 1 + last_attempt(paths.events);
  RunFolder folder(std::move(paths), std::move(made), *std::move(lock), attempt);
  if (lock_is_new) folder.new_files_.push_back(folder.paths_.lock);
  return folder;
}

void append_project_line(const RunPaths& paths, const Json& fields) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Json line = {{"time_unix", std::chrono::duration<double>(now).count()}, {"run", paths.name()}};
  line.update(fields);
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
  const FileLock lock = wait_for_lock(paths.project_ledger + ".lock");
  cut_torn_end(paths.project_ledger);
  LineAppender file(paths.project_ledger);
  file.append(text);
  file.sync();
}

std::vector<Json> read_project_lines(const std::string& path) {
  std::vector<Json> lines;
  if (!file_exists(path)) return lines;
  const std::string text = read_file(path);
  std::size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string where = path + ":" + std::to_string(number);
    lines.push_back(parse_json(text.substr(begin, end - begin), where));
    begin = end + 1;
  }
  return lines;
}

}  // namespace farthing
