// project.cpp - runs, ledger lines and data cards found under a folder, each counted once.
#include "economics/project.h"

#include "economics/device_book.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "ledger/events.h"
#include "ledger/ledger.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
constexpr int kDeepestFolder = 4;
constexpr std::size_t kMostFolders = 100000;

std::string text_or(const Json& json, const char* key, const std::string& otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

// A number that a sum may take; anything else is a fault of that line.
double amount(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return 0;
  const double value = found->is_number() ? found->get<double>() : NAN;
  if (!(value >= 0) || !(value < 1e30)) {
    throw_bad_input({where, key, found->dump(-1, ' ', false, Json::error_handler_t::replace),
                     "a number, 0 or more", ""});
  }
  return value;
}

class ProjectCollector {
 public:
  explicit ProjectCollector(const ProjectSearch& search) : search_(search) {
    facts_.folder = search.folder;
  }

  ProjectFacts collect() {
    std::error_code fault;
    if (!fs::is_directory(search_.folder, fault)) {
      throw_bad_input({search_.folder, "not a folder", "", "a folder of runs", ""});
    }
    const std::string file = (fs::path(search_.folder) / "project.toml").string();
    facts_.has_file = file_exists(file);
    if (facts_.has_file) facts_.file = parse_project_file(read_file(file), file);
    visit(search_.folder, 0);
    for (const auto& ledger : ledgers_) guarded(ledger, [&] { read_ledger(ledger); });
    for (auto& [key, run] : folders_) facts_.runs.push_back(std::move(run));
    add_compute(file);
    if (!search_.project.empty()) keep_only(search_.project, file);
    if (facts_.runs.empty() && !facts_.has_file && facts_.faults.empty()) {
      throw_bad_input({search_.folder, "no run, no ledger.jsonl and no project.toml in it", "", "",
                       "farthing train writes runs/NAME"});
    }
    std::stable_sort(facts_.runs.begin(), facts_.runs.end(),
                     [](const auto& a, const auto& b) { return a.where < b.where; });
    return std::move(facts_);
  }

 private:
  // Its runs, and project.toml where that is of this name or of none.
  void keep_only(const std::string& project, const std::string& file) {
    std::set<std::string> names;
    for (const auto& run : facts_.runs) names.insert(run.project);
    names.insert(facts_.file.name);
    names.erase("");
    if (!names.contains(project)) {
      std::string there;
      for (const auto& name : names) there += (there.empty() ? "" : ", ") + name;
      throw_bad_input({search_.folder, "no project \"" + project + "\"", "",
                       there.empty() ? "none has a name here" : there, ""});
    }
    if (!facts_.file.name.empty() && facts_.file.name != project) {
      facts_.remarks.push_back(file + " is of \"" + facts_.file.name + "\": left out");
      facts_.file = {};
    }
    facts_.file.name = project;
    std::erase_if(facts_.runs, [&](const ProjectRun& run) {
      return run.project != project && !(run.origin == "project.toml" && run.project.empty());
    });
  }

  // What the world got wrong in one place is a fault in the list, not the end of the whole.
  template <class Body>
  void guarded(const std::string& where, const Body& body) {
    try {
      body();
    } catch (const Error& error) {
      const std::string first = error.message.substr(0, error.message.find('\n'));
      facts_.faults.push_back(first.starts_with(where) ? first : where + ": " + first);
    } catch (const fs::filesystem_error& error) {
      facts_.faults.push_back(where + ": " + error.code().message());
    }
  }

  void visit(const std::string& folder, int depth) {
    std::error_code fault;
    const std::string real = fs::canonical(folder, fault).string();
    if (fault || seen_.size() >= kMostFolders || !seen_.insert(real).second) return;
    const auto inside = [&](const char* name) { return (fs::path(folder) / name).string(); };
    if (file_exists(inside("card.json"))) {
      guarded(inside("card.json"), [&] { read_card(inside("card.json")); });
    }
    if (fs::is_regular_file(inside("ledger.jsonl"), fault))
      ledgers_.push_back(inside("ledger.jsonl"));
    if (fs::exists(inside("events.jsonl"), fault)) {
      guarded(folder, [&] { read_run(folder); });
      return;  // what is inside a run belongs to it
    }
    if (depth >= kDeepestFolder) return;
    std::vector<std::string> inner;
    for (fs::directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
      if (at->is_directory(fault) && !at->path().filename().string().starts_with('.')) {
        inner.push_back(at->path().string());
      }
    }
    if (fault) facts_.faults.push_back(folder + ": " + fault.message());
    std::sort(inner.begin(), inner.end());
    for (const auto& each : inner) visit(each, depth + 1);
  }

  void read_run(const std::string& folder) {
    const RunPaths paths(folder);
    if (!fs::is_regular_file(paths.events)) {
      throw_bad_input({paths.events, "not a file", "", "", ""});
    }
    const std::string text = read_file(paths.events);
    const RunHistory history = parse_history(text, paths.events);
    const Ledger ledger = make_ledger(history);
    ProjectRun run;
    run.name = paths.name(), run.origin = "run folder", run.where = folder, run.device = "core";
    run.project = "default", run.purpose = "experiment", run.phase = "pre-training";
    bool simulated = false;
    read_events_text(text, paths.events, [&](const Json& event, const std::string&) {
      if (text_or(event, "kind", "") != "run_start") return;
      const auto found = event.find("simulated");
      simulated = simulated || (found != event.end() && *found == true);
      run.project = text_or(event, "project", run.project);
      run.purpose = text_or(event, "purpose", run.purpose);
      run.phase = text_or(event, "phase", run.phase);
    });
    if (file_exists(paths.recipe)) {  // only its [run]; the rest is the trainer's business
      Settings recipe(read_file(paths.recipe), paths.recipe);
      recipe.read("run.project", run.project, {});
      recipe.read("run.purpose", run.purpose, {});
      recipe.read("run.phase", run.phase, {});
    }
    named_.insert(ledger_key(paths.project_ledger, run.name));
    if (simulated) return facts_.remarks.push_back(folder + ": a simulation, costs nothing");
    run.hours = ledger.core_seconds.total() / 3600;
    if (const std::string& device = history.run_start.device; !device.empty()) {
      const PriceBook book = load_run_book(
          {.prices = search_.prices, .device = device, .site = history.run_start.site});
      run.device = device, run.usd_per_hour = book.rent.value;
      run.price_source = "price list: " + book.rent.source + ", " + book.rent.date;
    }
    run.tokens = static_cast<double>(ledger.tokens), run.model_flops = ledger.model_flops;
    if (ledger.joules) run.kwh = *ledger.joules / 3.6e6;
    run.kwh_estimated = ledger.joules_estimated;
    add_folder(text.substr(0, text.find('\n')), std::move(run));
    if (search_.progress) search_.progress(static_cast<int>(folders_.size()));
  }

  // The same first event, to the microsecond, is the same run in a copied folder.
  void add_folder(const std::string& first_event, ProjectRun run) {
    const std::string key = first_event.empty() ? run.where : first_event;
    const auto [known, is_new] = folders_.emplace(key, run);
    if (is_new) return;
    facts_.remarks.push_back(known->second.where + " and " + run.where +
                             " begin with the same event: counted once, the longer of them");
    if (run.hours > known->second.hours) known->second = std::move(run);
  }

  static std::string ledger_key(const std::string& ledger, const std::string& run) {
    std::error_code fault;
    const std::string folder = fs::path(ledger).parent_path().string();
    return fs::weakly_canonical(folder.empty() ? "." : folder, fault).string() + "\n" + run;
  }

  void read_ledger(const std::string& path) {
    std::map<std::string, ProjectRun> last;
    int number = 0;
    for (const Json& line : read_project_lines(path)) {
      const std::string where = fmt::format("{}:{}", path, ++number);
      guarded(where, [&] {
        ProjectRun run = run_of_line(line, where);
        const auto seconds = line.find("core_seconds");
        const bool timed = seconds != line.end() && !seconds->is_null();
        if (!timed && !named_.contains(ledger_key(path, run.name))) {
          throw_bad_input({where, "core_seconds of \"" + run.name + "\"", "nothing",
                           "its machine time, 0 or more", ""});
        }
        const auto known = last.find(run.name);
        if (known != last.end() && run.hours < known->second.hours * (1 - 1e-9)) {
          keep_deleted(known->second, "an earlier run of this name");
        }
        last.insert_or_assign(run.name, std::move(run));
      });
    }
    for (const auto& [name, run] : last) {
      if (!named_.contains(ledger_key(path, name))) keep_deleted(run, "");
    }
  }
  static ProjectRun run_of_line(const Json& line, const std::string& where) {
    ProjectRun run;
    run.name = line.is_object() ? text_or(line, "run", "") : "";
    if (run.name.empty()) throw_bad_input({where, "run", "no name", "the name of a run", ""});
    run.project = text_or(line, "project", "default");
    run.purpose = text_or(line, "purpose", "experiment");
    run.phase = text_or(line, "phase", "pre-training");
    run.origin = "ledger line", run.where = where, run.device = "core";
    run.hours = amount(line, "core_seconds", where) / 3600;
    run.tokens = amount(line, "tokens", where);
    run.model_flops = amount(line, "model_flops", where);
    for (const char* key : {"usd", "electricity_usd", "wall_seconds"}) amount(line, key, where);
    if (const double joules = amount(line, "joules", where); joules > 0) run.kwh = joules / 3.6e6;
    const auto estimated = line.find("joules_estimated");
    run.kwh_estimated = estimated != line.end() && *estimated == true;
    return run;
  }
  void keep_deleted(const ProjectRun& run, const std::string& why) {
    if (run.hours == 0) return;  // it was only started
    if (!why.empty()) facts_.remarks.push_back(run.where + ": " + why + " is counted as well");
    facts_.runs.push_back(run);
  }

  void read_card(const std::string& path) {
    const Json card = read_json(path);
    DataCard found;
    found.where = path;
    if (!card.is_object()) throw_bad_input({path, "data card", "no object", "an object", ""});
    const auto splits = card.find("splits");
    if (splits != card.end() && splits->is_object()) {
      for (const auto& [name, split] : splits->items()) {
        if (split.is_object()) found.tokens += amount(split, "tokens", path);
      }
    }
    std::set<std::string> licences;
    const auto sources = card.find("sources");
    if (sources != card.end() && sources->is_array()) {
      for (const auto& source : *sources) {
        if (source.is_object()) licences.insert(text_or(source, "licence", "not stated"));
      }
    }
    for (const auto& each : licences) found.licences += (found.licences.empty() ? "" : ", ") + each;
    facts_.cards.push_back(found);
  }

  void add_compute(const std::string& file) {
    for (const auto& compute : facts_.file.compute) {
      ProjectRun run;
      run.name = compute.name, run.project = facts_.file.name, run.purpose = compute.purpose;
      run.phase = compute.phase, run.origin = "project.toml", run.where = file;
      run.device = compute.device, run.hours = compute.hours;
      run.usd_per_hour = compute.usd_per_hour, run.kwh = compute.kwh;
      facts_.runs.push_back(run);
    }
  }

  const ProjectSearch& search_;
  ProjectFacts facts_;
  std::set<std::string> seen_;   // folders, canonical
  std::set<std::string> named_;  // ledger_key of every run with a folder
  std::vector<std::string> ledgers_;
  std::map<std::string, ProjectRun> folders_;  // by first event
};

}  // namespace

ProjectFacts collect_project(const ProjectSearch& search) {
  return ProjectCollector(search).collect();
}

}  // namespace farthing
