// past_run.cpp - recipes compared key by key; events gone through once.
#include "train/past_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "ledger/events.h"

namespace farthing {
namespace {

// "section.key" -> value, of the text that to_toml writes.
std::map<std::string, std::string> keys_of(const Recipe& recipe) {
  std::map<std::string, std::string> keys;
  std::istringstream text(to_toml(recipe));
  std::string line, section;
  while (std::getline(text, line)) {
    if (line.starts_with("[")) section = line.substr(1, line.find(']') - 1);
    const std::size_t equals = line.find(" = ");
    if (line.starts_with("[") || equals == std::string::npos) continue;
    const std::size_t comment = line.find("  # default: ", equals);
    keys[section + "." + line.substr(0, equals)] =
        line.substr(equals + 3, comment == std::string::npos ? comment : comment - equals - 3);
  }
  return keys;
}

}  // namespace

std::vector<std::string> differing_keys(const Recipe& now, const Recipe& before) {
  auto ours = keys_of(now), theirs = keys_of(before);
  for (const auto& [key, value] : theirs) ours.try_emplace(key, "not set");
  std::vector<std::string> differing;
  for (const auto& [key, value] : ours) {
    const auto found = theirs.find(key);
    const std::string was = found == theirs.end() ? "not set" : found->second;
    if (value == was || key == "train.until") continue;
    differing.push_back(fmt::format("{} ({}, was {})", key, value, was));
  }
  return differing;
}

Recipe resumed_recipe(const Recipe& recipe, const std::string& stored_path) {
  if (!file_exists(stored_path)) return recipe;
  Recipe stored = parse_recipe(read_file(stored_path), stored_path);
  Recipe now = recipe;
  if (now.precision.matmul == "auto") now.precision = stored.precision;
  if (now.train.micro_batch == 0) now.train.micro_batch = stored.train.micro_batch;
  const std::vector<std::string> differing = differing_keys(now, stored);
  if (!differing.empty()) {
    std::string list;
    for (const std::string& key : differing) list += (list.empty() ? "" : ", ") + key;
    throw_bad_input({stored_path, "the recipe of this run has changed", list,
                     "the recipe that the run began with",
                     "choose another folder with --run, or change only --until"});
  }
  stored.train.until = recipe.train.until;
  return stored;
}

Json to_json(const RunLength& length) {
  return {{"at_step", length.at_step},
          {"at_tokens", length.at_tokens},
          {"progress", length.progress},
          {"end_tokens", length.end_tokens},
          {"warmup_steps", length.warmup_steps},
          {"until", length.until},
          {"reason", length.reason}};
}

RunLength run_length_from_json(const Json& json) {
  return {json.at("at_step"),      json.at("at_tokens"), json.at("progress"), json.at("end_tokens"),
          json.at("warmup_steps"), json.at("until"),     json.at("reason")};
}

PastRun read_past_run(const std::string& events_path, const std::string& until) {
  PastRun past;
  if (!file_exists(events_path)) return past;
  std::map<std::int64_t, double> seconds_of_attempt;
  read_located_events(events_path, [&](const Json& event, const std::string& where) {
    try {
      const std::int64_t attempt = event.at("attempt");
      const double clock = event.at("t_monotonic");
      const std::string kind = event.at("kind");
      if (!seconds_of_attempt.contains(attempt)) past.last_step_seconds = 0;
      seconds_of_attempt[attempt] = std::max(seconds_of_attempt[attempt], clock);
      if (kind == "step" || kind == "checkpoint" || kind == "eval") {
        past.last_step_seconds = clock;
      }
      if (kind == "run_start") past.finished = false;
      if (kind == "run_end") past.finished = event.at("reason") == "finished";
      if (kind == "eval" && event.at("bits_per_byte").is_number()) {
        past.val_bits_per_byte = event.at("bits_per_byte");
      }
      if (kind == "step") {
        past.last_step = std::max<std::int64_t>(past.last_step, event.at("step"));
      }
      if (kind != "decision" || event.at("name") != "run_length") return;
      const RunLength length = run_length_from_json(event.at("value"));
      past.until = length.until;
      if (length.until != until) {
        past.decisions.clear();
        past.last_step = 0;
      } else {
        past.decisions[length.at_step] = length;
      }
    } catch (const Json::exception& fault) {
      throw_bad_input({where, "not an event of this version", fault.what(), "", ""});
    }
  });
  for (const auto& [attempt, seconds] : seconds_of_attempt) {
    past.elapsed_seconds += seconds;
    past.last_attempt_seconds = seconds;
  }
  return past;
}

}  // namespace farthing
