// run_folder.h - the folder of one run: its paths, its one owner, its attempts, its project's
// ledger.
//
//   runs/NAME/recipe.toml events.jsonl tokenizer.json checkpoints/ model/ receipt.json receipt.html
//   runs/ledger.jsonl     a line whenever a run starts or ends; it outlives the run's folder
#pragma once
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace farthing {

struct RunPaths {
  explicit RunPaths(std::string folder_path);
  std::string folder;
  std::string recipe, events, tokenizer, checkpoints, model, receipt_json, receipt_html, lock;
  std::string project_ledger;  // beside the folder

  std::string name() const;
};

// A run folder that this process alone may write, until destroyed.
class RunFolder {
 public:
  // Makes the folder and checkpoints/ where missing.  Errors: Error{kFailed} when another process
  // holds it, naming that process; Error{kBadInput} for a damaged events.jsonl, or a file there.
  static RunFolder open(const std::string& path);
  RunFolder(RunFolder&&) = default;
  RunFolder& operator=(RunFolder&&) = delete;
  RunFolder(const RunFolder&) = delete;
  ~RunFolder();

  // From here on it holds a run: what open() made stays.  Without it the destructor removes that
  // again, so that a refused run leaves nothing.
  void keep();

  const RunPaths& paths() const { return paths_; }
  // One more than the last attempt in events.jsonl; 1 for a new run.
  int attempt() const { return attempt_; }

 private:
  RunFolder(RunPaths paths, TentativeFolder made, FileLock lock, int attempt);
  RunPaths paths_;
  TentativeFolder made_;
  std::vector<std::string> new_files_;  // the lock, if it is to go with the folder
  FileLock lock_;
  int attempt_;
};

// Appends one object to the ledger beside the run, with time_unix and run added before `fields`.
void append_project_line(const RunPaths& paths, const Json& fields);
// Every line of a project ledger; a torn last line is ignored, a missing file has none.
std::vector<Json> read_project_lines(const std::string& path);

}  // namespace farthing
