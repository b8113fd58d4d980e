// history.cpp - one pass over the events, closing intervals; then what was done twice is moved.
#include "ledger/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "ledger/events.h"

namespace farthing {
namespace {

// The keys of one event, with complaints that say where.
class Fields {
 public:
  Fields(const Json& event, const std::string& where) : event_(event), where_(where) {}

  // Absent or null (a NaN has no other form in JSON): `otherwise`.
  double number(const char* key, double otherwise) const {
    const Json* value = find(event_, key);
    if (value == nullptr) return otherwise;
    if (!value->is_number()) complain(key, *value, "a number");
    return value->get<double>();
  }
  std::int64_t count(const char* key) const {
    constexpr double kMost = 9e18;
    const double value = number(key, 0);
    if (!(value >= 0 && value < kMost)) complain(key, value, "a count");
    return static_cast<std::int64_t>(value);
  }
  bool flag(const char* key) const {
    const Json* value = find(event_, key);
    return value != nullptr && value->is_boolean() && value->get<bool>();
  }
  std::string text(const char* key) const {
    const Json* value = find(event_, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
  }
  std::string json(const char* key) const {
    const Json* value = find(event_, key);
    return value == nullptr ? "" : value->dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  bool has(const char* key) const { return find(event_, key) != nullptr; }

  // The numbers of an array, or of an object's values; nulls are NaN.
  std::vector<double> numbers(const char* key) const {
    const Json* value = find(event_, key);
    if (value == nullptr) return {};
    return numbers_of(key, *value);
  }
  std::vector<std::vector<double>> rows(const char* key) const {
    std::vector<std::vector<double>> rows;
    const Json* value = find(event_, key);
    if (value == nullptr) return rows;
    if (!value->is_array()) complain(key, *value, "an array of arrays");
    for (const Json& row : *value) rows.push_back(numbers_of(key, row));
    return rows;
  }
  // A member object, empty when absent.
  std::map<std::string, double> object(const char* key) const {
    std::map<std::string, double> members;
    const Json* value = find(event_, key);
    if (value == nullptr) return members;
    if (!value->is_object()) complain(key, *value, "an object");
    for (const auto& [name, member] : value->items()) {
      if (member.is_number()) members[name] = member.get<double>();
    }
    return members;
  }
  // Of an array of objects with a name: the number `what` of each.
  std::map<std::string, double> named(const char* key, const char* what) const {
    std::map<std::string, double> members;
    const Json* value = find(event_, key);
    if (value == nullptr) return members;
    if (!value->is_array()) complain(key, *value, "an array of objects");
    for (const Json& member : *value) {
      if (!member.is_object()) complain(key, member, "an object");
      const Json *name = find(member, "name"), *number = find(member, what);
      if (name == nullptr || !name->is_string()) complain(key, member, "an object with a name");
      if (number != nullptr && number->is_number()) {
        members[name->get<std::string>()] = number->get<double>();
      }
    }
    return members;
  }

 private:
  static const Json* find(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }
  std::vector<double> numbers_of(const char* key, const Json& array) const {
    if (!array.is_array()) complain(key, array, "an array of numbers");
    std::vector<double> values;
    for (const Json& value : array) {
      if (!value.is_number() && !value.is_null()) complain(key, value, "a number");
      values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                       : value.get<double>());
    }
    return values;
  }
  [[noreturn]] void complain(const char* key, const Json& found, const char* wanted) const {
    const auto shown = found.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60);
    throw_bad_input({where_, std::string("event's \"") + key + "\"", shown, wanted, ""});
  }

  const Json& event_;
  const std::string& where_;
};

double seconds_of(const std::map<std::string, double>& seconds, const char* key) {
  const auto found = seconds.find(key);
  return found == seconds.end() || !(found->second > 0) ? 0 : found->second;
}

// Where the seconds of a record went, so that they can be moved when it was done again.
struct Share {
  std::size_t attempt = 0;
  std::int64_t step = 0;
  SecondsByCategory seconds;
};

class HistoryReader {
 public:
  void add(const Json& event, const std::string& where);
  RunHistory finish();

 private:
  void begin_attempt(int attempt, double time_unix);
  void start(const Fields& fields);
  NoteRecord note(std::string name, std::string value, std::string why) const;
  void add_step(const Fields& fields);
  void add_eval(const Fields& fields);
  void add_checkpoint(const Fields& fields);
  void note_resume(const Fields& fields);
  // Gives what is open beyond `own` to start_up or `category`, and returns the own part.
  double close(double own, Category category, SecondsByCategory& taken);
  double run_seconds() const { return earlier_seconds_ + now_; }

  RunHistory history_;
  std::vector<Share> steps_, evals_;
  double earlier_seconds_ = 0;  // of the attempts before this one
  double now_ = 0;              // of this attempt
  double closed_ = 0;
  bool stepped_ = false;  // this attempt has done a step
};

void HistoryReader::begin_attempt(int attempt, double time_unix) {
  if (!history_.attempts.empty()) {
    AttemptRecord& last = history_.attempts.back();
    last.open_seconds = now_ - closed_;
    last.seconds[Category::kLost] += last.open_seconds;
    earlier_seconds_ += last.wall_seconds;
  }
  AttemptRecord next;
  next.attempt = attempt;
  next.begun_unix = time_unix;
  if (!history_.attempts.empty()) next.cores = history_.attempts.back().cores;
  history_.attempts.push_back(std::move(next));
  now_ = closed_ = 0;
  stepped_ = false;
}

double HistoryReader::close(double own, Category category, SecondsByCategory& taken) {
  const double open = now_ - closed_;
  closed_ = now_;
  own = std::clamp(own, 0.0, open);
  taken[stepped_ ? category : Category::kStartUp] += open - own;
  return own;
}

void HistoryReader::add_step(const Fields& fields) {
  StepRecord record;
  record.attempt = history_.attempts.back().attempt;
  record.step = fields.count("step");
  record.tokens = fields.count("tokens");
  record.step_tokens = fields.count("step_tokens");
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  record.loss = fields.number("loss", kNone);
  record.learning_rate = fields.number("learning_rate", kNone);
  record.grad_norm = fields.number("grad_norm", kNone);
  record.balance_loss = fields.number("balance_loss", kNone);
  record.max_vio = fields.number("max_vio", kNone);
  record.joules = fields.number("joules", 0);
  record.model_flops = fields.number("model_flops", 0);
  record.mtp_loss = fields.numbers("mtp_loss");
  record.max_vio_by_layer = fields.numbers("max_vio_by_layer");
  record.expert_load = fields.rows("expert_load");
  record.run_seconds = run_seconds();
  const auto seconds = fields.object("seconds");
  const double data_wait = seconds_of(seconds, "data_wait");
  record.step_seconds =
      seconds_of(seconds, "compute") + data_wait + seconds_of(seconds, "optimizer");
  Share share{history_.attempts.size() - 1, record.step, {}};
  const double own = close(record.step_seconds, Category::kCompute, share.seconds);
  const double waited = std::min(data_wait, own);
  share.seconds[Category::kDataWait] += waited;
  share.seconds[Category::kCompute] += own - waited;
  stepped_ = true;
  steps_.push_back(share);
  history_.steps.push_back(std::move(record));
}

void HistoryReader::add_eval(const Fields& fields) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  EvalRecord record;
  record.step = fields.count("step");
  record.run_seconds = run_seconds();
  record.bits_per_byte = fields.number("bits_per_byte", kNone);
  record.loss = fields.number("loss", kNone);
  record.bytes = fields.number("bytes", 0);
  record.per_source = fields.named("sources", "bits_per_byte");
  Share share{history_.attempts.size() - 1, record.step, {}};
  const double own = close(fields.number("seconds", 0), Category::kEval, share.seconds);
  share.seconds[Category::kEval] += own;
  evals_.push_back(share);
  history_.evals.push_back(std::move(record));
}

void HistoryReader::add_checkpoint(const Fields& fields) {
  CheckpointRecord record;
  record.step = fields.count("step");
  record.seconds = fields.number("seconds", 0);
  record.bytes = fields.count("bytes");
  SecondsByCategory& seconds = history_.attempts.back().seconds;
  const double own = close(record.seconds, Category::kCheckpoint, seconds);
  seconds[Category::kCheckpoint] += own;
  history_.checkpoints.push_back(record);
}

void HistoryReader::note_resume(const Fields& fields) {
  if (fields.has("resumed_step")) {
    history_.attempts.back().resumed_step = fields.count("resumed_step");
  }
}

void HistoryReader::start(const Fields& fields) {
  RunStart& start = history_.run_start;
  AttemptRecord& attempt = history_.attempts.back();
  start.n_threads = attempt.cores = std::clamp(fields.number("n_threads", attempt.cores), 1.0, 1e7);
  start.parameters = fields.number("parameters", 0);
  start.active_parameters = fields.number("active_parameters", 0);
  start.model_flops_per_token = fields.number("model_flops_per_token", 0);
  start.fp32_peak_flops = fields.number("fp32_peak_flops", 0);
  start.isa = fields.text("isa");
  start.device = fields.text("device");
  start.site = {.cluster = fields.text("cluster"),
                .region = fields.text("region"),
                .spot = fields.flag("spot"),
                .pue = fields.number("pue", 0),
                .pue_date = fields.text("pue_date"),
                .pue_source = fields.text("pue_source"),
                .pue_confidence = fields.text("pue_confidence")};
  start.simulated |= fields.flag("simulated");
  start.imported |= fields.flag("imported");
  start.cpu = fields.text("cpu");
  start.precision = fields.text("precision");
  start.recipe_hash = fields.text("recipe_hash");
  start.planned_step_seconds = std::max(0.0, fields.number("planned_step_seconds", 0));
  start.planned_memory_bytes = std::max(0.0, fields.number("planned_memory_bytes", 0));
  start.planned_joules_per_step = std::max(0.0, fields.number("planned_joules_per_step", 0));
  note_resume(fields);
  close(0, Category::kStartUp, attempt.seconds);
}

NoteRecord HistoryReader::note(std::string name, std::string value, std::string why) const {
  return {.attempt = history_.attempts.back().attempt,
          .run_seconds = run_seconds(),
          .name = std::move(name),
          .value = std::move(value),
          .why = std::move(why)};
}

void HistoryReader::add(const Json& event, const std::string& where) {
  const Fields fields(event, where);
  if (fields.number("rank", 0) != 0) return;  // other ranks live through the same seconds
  const int attempt = static_cast<int>(std::clamp(fields.number("attempt", 1), 0.0, 1e9));
  if (history_.attempts.empty() || history_.attempts.back().attempt != attempt) {
    begin_attempt(attempt, fields.number("time_unix", 0));
  }
  now_ = std::max(now_, fields.number("t_monotonic", 0));
  AttemptRecord& current = history_.attempts.back();
  current.wall_seconds = now_;
  history_.joules += std::max(fields.number("joules", 0), 0.0);
  history_.joules_estimated |= fields.flag("joules_estimated");
  history_.peak_private_bytes =
      std::max(history_.peak_private_bytes,
               fields.number("peak_resident_bytes", 0) - fields.number("mapped_bytes", 0));
  const std::string kind = fields.text("kind");
  if (kind == "step") history_.weights_hash.clear();
  if (fields.has("source_tokens")) history_.source_tokens = fields.object("source_tokens");
  if (fields.has("weights_hash")) history_.weights_hash = fields.text("weights_hash");
  current.has_begun |= kind == "run_start" || kind == "restart" || kind == "step";
  if (kind == "run_start") {
    start(fields);
  } else if (kind == "step") {
    add_step(fields);
  } else if (kind == "eval") {
    add_eval(fields);
  } else if (kind == "checkpoint") {
    add_checkpoint(fields);
  } else if (kind == "restart") {
    note_resume(fields);
  } else if (kind == "run_end") {
    current.end_reason = fields.text("reason");
    close(0, Category::kCheckpoint, current.seconds);
  } else if (kind == "decision") {
    history_.decisions.push_back(
        note(fields.text("name"), fields.json("value"), fields.text("why")));
  } else if (kind == "alert") {
    history_.alerts.push_back(note(fields.text("what"), "", fields.text("text")));
  }
}

// For each attempt, the lowest step that a later attempt began from.
std::vector<std::int64_t> resumed_after(const std::vector<AttemptRecord>& attempts) {
  std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> resumed(attempts.size(), lowest);
  for (std::size_t i = attempts.size(); i-- > 1;) {
    // An attempt that died before it said where it began did nothing again.
    if (attempts[i].has_begun) lowest = std::min(lowest, attempts[i].resumed_step.value_or(0));
    resumed[i - 1] = lowest;
  }
  return resumed;
}

RunHistory HistoryReader::finish() {
  if (history_.attempts.empty()) return std::move(history_);
  AttemptRecord& last = history_.attempts.back();
  last.open_seconds = now_ - closed_;
  last.seconds[Category::kLost] += last.open_seconds;
  const auto resumed = resumed_after(history_.attempts);
  const auto settle = [&](const std::vector<Share>& shares, auto& records) {
    for (std::size_t i = 0; i < shares.size(); ++i) {
      AttemptRecord& attempt = history_.attempts[shares[i].attempt];
      records[i].recomputed = shares[i].step > resumed[shares[i].attempt];
      if (records[i].recomputed) {
        attempt.seconds[Category::kRecomputed] += shares[i].seconds.total();
      } else {
        attempt.seconds += shares[i].seconds;
      }
    }
  };
  settle(steps_, history_.steps);
  settle(evals_, history_.evals);
  return std::move(history_);
}

}  // namespace

const char* to_string(Category category) {
  constexpr const char* kNames[] = {"compute",  "data_wait",  "checkpoint", "eval",
                                    "start_up", "recomputed", "lost"};
  return kNames[static_cast<std::size_t>(category)];
}

double SecondsByCategory::total() const {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

SecondsByCategory& SecondsByCategory::operator+=(const SecondsByCategory& other) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += other.values[i];
  return *this;
}

const StepRecord* RunHistory::last_step() const {
  for (std::size_t i = steps.size(); i-- > 0;) {
    if (!steps[i].recomputed) return &steps[i];
  }
  return nullptr;
}

const EvalRecord* RunHistory::last_eval() const {
  for (std::size_t i = evals.size(); i-- > 0;) {
    if (!evals[i].recomputed) return &evals[i];
  }
  return nullptr;
}

std::string site_fields(const RunSite& site) {
  std::string fields;
  const auto add = [&](const char* key, const Json& value) {
    fields += ",\"" + std::string(key) +
              "\":" + value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  if (!site.region.empty()) add("region", site.region);
  if (site.spot) add("spot", true);
  if (!(site.pue >= 1)) return fields;
  add("pue", site.pue), add("pue_date", site.pue_date);
  add("pue_source", site.pue_source), add("pue_confidence", site.pue_confidence);
  return fields;
}

RunHistory parse_history(const std::string& text, const std::string& path) {
  HistoryReader reader;
  read_events_text(text, path,
                   [&](const Json& event, const std::string& where) { reader.add(event, where); });
  return reader.finish();
}

RunHistory read_history(const std::string& events_path) {
  return parse_history(read_file(events_path), events_path);
}

}  // namespace farthing
