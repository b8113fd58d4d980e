// cost_case.cpp - case files and definitions read through Settings; agreement judged.
#include "economics/cost_case.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "config/share.h"
#include "economics/claims.h"

namespace farthing {
namespace {

void read_words(Settings& settings, const std::string& prefix,
                const std::vector<std::pair<const char*, std::string*>>& fields) {
  for (const auto& [key, field] : fields) settings.read(prefix + key, *field, {});
}

void want(Settings& settings, const std::string& path) {
  if (!settings.has(path))
    settings.add_fault_line(settings.where(path.substr(0, path.find('.'))) + ": " + path +
                            ": found nothing, wanted a value");
}

// The reader's list, and the default one for what his need not have; read when first asked for.
class CasePrices {
 public:
  explicit CasePrices(std::string name) : name_(std::move(name)) {}
  bool is_default() const { return name_ == "default"; }
  const PriceEntry& at(const std::string& words, bool may_be_default) {
    const PriceQuery query = parse_price_query(words);
    if (!own_) own_ = load_price_list(name_);
    if (!may_be_default || own_->find(query) != nullptr) return own_->at(query);
    if (!default_) default_ = load_price_list();
    return default_->at(query);
  }

 private:
  std::string name_;
  std::optional<PriceList> own_, default_;
};

// Value, range, date and source from the price list; whether there is one.
bool read_price(Settings& settings, const std::string& prefix, CasePrices& prices,
                SheetLine& line) {
  std::string words;
  bool may_be_default = false;
  settings.read(prefix + "price", words, {});
  settings.read(prefix + "or_default", may_be_default, {});
  if (words.empty()) return false;
  const PriceEntry& entry = prices.at(words, may_be_default);
  if (entry.unit != line.unit) {
    settings.add_fault(prefix + "price", words + " in " + entry.unit, "a price in " + line.unit);
  }
  line.value = entry.value;
  if (entry.low < entry.value) line.low = entry.low;
  if (entry.high > entry.value) line.high = entry.high;
  line.source = entry.source, line.date = entry.date, line.confidence = entry.confidence;
  return true;
}

SheetLine read_line(Settings& settings, const std::string& prefix, CasePrices& prices,
                    std::vector<std::string>& listed) {
  SheetLine line;
  for (const char* key : {"id", "label", "unit"}) want(settings, prefix + key);
  read_words(settings, prefix,
             {{"id", &line.id},
              {"label", &line.label},
              {"unit", &line.unit},
              {"formula", &line.formula},
              {"source", &line.source},
              {"date", &line.date},
              {"confidence", &line.confidence},
              {"note", &line.note}});
  if (read_price(settings, prefix, prices, line)) listed.push_back(line.id);
  settings.read(prefix + "value", line.value, {});
  settings.read(prefix + "low", line.low, {});
  settings.read(prefix + "high", line.high, {});
  settings.read(prefix + "slider", line.slider, {});
  if (settings.has(prefix + "value") && !line.formula.empty()) {
    settings.add_fault(prefix + "value", "a value and a formula", "one of them");
  }
  if (line.formula.empty() && line.source.empty()) {
    settings.add_fault(prefix + "id", line.id + " without a source", "a source, or a formula");
  }
  return line;
}

// An input replaced by the reader: no range, no source but his own.  Gives what it was.
double apply_case_change(const ScenarioChange& change, std::vector<SheetLine>& lines,
                         const std::string& name) {
  std::vector<std::string> inputs;
  for (SheetLine& line : lines) {
    if (!line.formula.empty()) continue;
    inputs.push_back(line.id);
    if (line.id != change.id) continue;
    const double least = line.id.starts_with("pue") ? 1 : 0;
    const double most = line.unit == "share" ? 1 : 1e30;
    if (change.value < least || change.value > most) {
      refuse_change(change, {"", line.label, fmt::format("{}", change.value),
                             fmt::format("{} to {}", least, most), ""});
    }
    const double before = std::exchange(line.value, change.value);
    line.low = change.low, line.high = change.high;
    line.source = change.source, line.date = change.date, line.confidence = change.confidence;
    return before;
  }
  const std::string near = nearest_spelling(change.id, inputs);
  refuse_change(change,
                {"", "not an input of " + name, change.id, "the id of a line without a formula",
                 near.empty() ? "" : "did you mean " + near + "?"});
}

// A range's low end over its high end by a change without which it is not.
void refuse_crossed(const CostCase& result, const std::string& id, const std::string& to,
                    const std::vector<ScenarioChange>& changes) {
  const Sheet& sheet = result.sheet;
  if (to.empty() || !(sheet.value(id) > sheet.value(to))) return;
  for (const ScenarioChange& change : changes) {
    const Sheet::Inputs before = {{change.id, result.changed.at(change.id)}};
    if (sheet.value_with(id, before) > sheet.value_with(to, before)) continue;
    refuse_change(
        change, {"", sheet.at(change.id).label, fmt::format("{}", change.value),
                 fmt::format("\"{}\", {}, at or under \"{}\", {}", sheet.at(id).label,
                             format_figure(sheet.value(id), sheet.at(id).unit), sheet.at(to).label,
                             format_figure(sheet.value(to), sheet.at(to).unit)),
                 ""});
  }
}

CaseFigure read_figure(Settings& settings, const std::string& prefix) {
  CaseFigure figure;
  for (const char* key : {"id", "who", "definition", "why"}) want(settings, prefix + key);
  read_words(settings, prefix,
             {{"id", &figure.id},
              {"to", &figure.to},
              {"stated", &figure.stated},
              {"who", &figure.who},
              {"definition", &figure.definition},
              {"why", &figure.why}});
  settings.read(prefix + "low", figure.low, {.low = 0, .high = 1e13});
  settings.read(prefix + "high", figure.high, {.low = 0, .high = 1e13});
  settings.read(prefix + "over", figure.is_over, {});
  const std::size_t n_with = settings.count(prefix + "with");
  for (std::size_t i = 0; i < n_with; ++i) {
    settings.read(fmt::format("{}with.{}", prefix, i), figure.with.emplace_back(), {});
  }
  return figure;
}

void check_ids(Settings& settings, const CostCase& result, const Definitions& definitions) {
  const auto check = [&](const std::string& path, const std::string& id, const std::string& to,
                         const std::string& definition) {
    for (const auto* line : {&id, &to}) {
      if (line->empty() || result.sheet.find(*line) != nullptr) continue;
      settings.add_fault(path + "id", "\"" + *line + "\"", "the id of a line");
    }
    const bool known = std::any_of(definitions.definitions.begin(), definitions.definitions.end(),
                                   [&](const Definition& each) { return each.id == definition; });
    if (!known)
      settings.add_fault(path + "definition", "\"" + definition + "\"", "one of the five");
  };
  for (std::size_t i = 0; i < result.figures.size(); ++i) {
    const CaseFigure& figure = result.figures[i];
    const std::string path = fmt::format("figure.{}.", i);
    check(path, figure.id, figure.to, figure.definition);
    for (const auto& id : figure.with) {
      if (result.sheet.find(id) == nullptr)
        settings.add_fault(path + "with", id, "the id of a line");
    }
  }
  for (std::size_t i = 0; i < result.by_definition.size(); ++i) {
    const CaseDefinition& each = result.by_definition[i];
    check(fmt::format("by_definition.{}.", i), each.id, each.to, each.definition);
  }
}

// What a figure, or one of two ends, is computed from, each line once.
std::set<std::string> parts_of(const Sheet& sheet, const std::string& id, const std::string& to) {
  std::set<std::string> all;
  for (const auto* end : {&id, &to}) {
    if (end->empty()) continue;
    const std::vector<std::string> parts = sheet.parts_of(*end);
    all.insert(parts.begin(), parts.end());
  }
  return all;
}

}  // namespace

bool Definition::has(const std::string& part) const {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

const Definition& Definitions::at(const std::string& id) const {
  const auto found = std::find_if(definitions.begin(), definitions.end(),
                                  [&](const Definition& each) { return each.id == id; });
  CHECK(found != definitions.end());
  return *found;
}

std::string Definitions::label_of(const std::string& part) const {
  for (const auto& each : parts) {
    if (each.id == part) return each.label;
  }
  return part;
}

std::string Definitions::name_of(const std::string& part) const {
  for (const auto& each : parts) {
    if (each.id == part) return each.name;
  }
  return part;
}

std::vector<std::string> Definitions::excluded(const Definition& definition) const {
  std::vector<std::string> names;
  for (const auto& part : parts) {
    if (!definition.has(part.id)) names.push_back(part.name);
  }
  return names;
}

Definitions load_definitions() {
  const std::string path = find_shared("claims", "definitions", ".toml");
  return parse_definitions(read_file(path), path);
}

Definitions parse_definitions(const std::string& toml, const std::string& where) {
  Settings settings(toml, where);
  Definitions result;
  const std::size_t n_parts = settings.count("part");
  for (std::size_t i = 0; i < n_parts; ++i) {
    CostPart part;
    read_words(settings, fmt::format("part.{}.", i),
               {{"id", &part.id}, {"name", &part.name}, {"label", &part.label}});
    result.parts.push_back(part);
  }
  const std::size_t n = settings.count("definition");
  for (std::size_t i = 0; i < n; ++i) {
    const std::string prefix = fmt::format("definition.{}.", i);
    Definition definition;
    read_words(
        settings, prefix,
        {{"id", &definition.id}, {"label", &definition.label}, {"meaning", &definition.meaning}});
    const std::size_t n_in = settings.count(prefix + "parts");
    for (std::size_t k = 0; k < n_in; ++k) {
      const std::string path = fmt::format("{}parts.{}", prefix, k);
      std::string part;
      settings.read(path, part, {});
      if (result.label_of(part) == part) settings.add_fault(path, part, "the id of a [[part]]");
      definition.parts.push_back(part);
    }
    result.definitions.push_back(definition);
  }
  settings.finish();
  return result;
}

std::vector<std::string> CostCase::sources() const {
  std::vector<std::string> found;
  for (const auto& line : sheet.lines()) {
    if (line.source.empty() || std::find(found.begin(), found.end(), line.source) != found.end())
      continue;
    found.push_back(line.source);
  }
  return found;
}

bool CostCase::is_readers(const std::string& id, const std::string& to) const {
  const auto parts = parts_of(sheet, id, to);
  return std::any_of(parts.begin(), parts.end(),
                     [&](const std::string& part) { return changed.contains(part); });
}

std::vector<std::string> CostCase::sliders_of(const std::string& id, const std::string& to) const {
  std::vector<std::string> sliders;
  for (const auto& part : parts_of(sheet, id, to)) {
    if (sheet.at(part).slider) sliders.push_back(part);
  }
  return sliders;
}

std::string CostCase::words_of(const CaseDefinition& definition) const {
  std::string words = definition.words;
  if (is_readers(definition.id, definition.to)) {
    words.insert(0, kReadersFirst);
  }
  return words;
}

std::string CostCase::changed_words() const {
  if (changed.empty()) return "";
  std::string words = "With your values: ";
  for (const auto& [id, before] : changed) {
    const SheetLine& line = sheet.at(id);
    if (!words.ends_with(": ")) words += "; ";
    words += line.label + " " + format_figure(line.value, line.unit) + " instead of " +
             format_figure(before, line.unit);
  }
  return words +
         ". What is computed from them is yours and is held against nobody; the texts speak of the "
         "sources' values.";
}

std::string CostCase::agreement(const CaseFigure& figure) const {
  const double from = sheet.value(figure.id);
  const double to = figure.to.empty() ? from : sheet.value(figure.to);
  if (!std::isfinite(from) || !std::isfinite(to)) return "not stated";
  if (is_readers(figure)) return kReaders;
  if (is_quoted(figure.id)) return "quoted, not computed";
  if (!figure.low) return "computed here";
  if (!figure.high) return from >= *figure.low * 0.99 ? "follows" : "does not follow";
  const double off = off_by({*figure.low, *figure.high}, {from, to});
  const SumCheck check = sum_check(off);
  return check == SumCheck::kExact     ? "follows"
         : check == SumCheck::kRounded ? "follows, rounded"
                                       : "does not follow (" + sum_words(off) + ")";
}

std::vector<std::string> CostCase::stale_prices(const std::string& today) const {
  std::vector<std::string> old;
  for (const auto& id : listed) {
    const SheetLine& line = sheet.at(id);
    if (!line.unit.starts_with("USD") || !is_date(line.date)) continue;
    const auto words = date_warning(line.date, today);
    if (words) old.push_back(line.label + ": a price of " + *words);
  }
  return old;
}

bool CostCase::is_quoted(const std::string& id) const {
  return sheet.at(id).formula.empty() && std::isfinite(sheet.value(id));
}

bool CostCase::is_least(const std::string& id) const {
  return std::any_of(figures.begin(), figures.end(), [&](const CaseFigure& figure) {
    return figure.id == id && is_quoted(id) && figure.low && !figure.high;
  });
}

std::string CostCase::computed(const std::string& id, const std::string& to) const {
  const std::string& unit = sheet.at(id).unit;
  const std::string from = format_figure(sheet.value(id), unit);
  return to.empty() ? from : from + " to " + format_figure(sheet.value(to), unit);
}

std::vector<std::string> cost_case_names() {
  std::vector<std::string> names = list_shared("claims", ".toml");
  std::erase_if(names, [](const std::string& name) {
    return read_file(find_shared("claims", name, ".toml")).find("[[figure]]") == std::string::npos;
  });
  return names;
}

CostCase load_cost_case(const std::string& name, const Definitions& definitions,
                        const CaseChanges& changes) {
  const std::vector<std::string> known = cost_case_names();
  const bool is_file = name.find('/') != std::string::npos || name.ends_with(".toml");
  if (!is_file && std::find(known.begin(), known.end(), name) == known.end()) {
    std::string names;
    for (const auto& each : known) names += (names.empty() ? "" : ", ") + each;
    throw_bad_input({name, "no walk from hours to figures of that name", "", names, ""});
  }
  const std::string path = find_shared("claims", name, ".toml");
  return parse_cost_case(read_file(path), path, definitions, changes);
}

CostCase parse_cost_case(const std::string& toml, const std::string& where,
                         const Definitions& definitions, const CaseChanges& changes) {
  Settings settings(toml, where);
  CostCase result;
  result.name = std::filesystem::path(where).stem().string();
  for (const char* key : {"title", "answer", "line", "figure"}) want(settings, key);
  read_words(settings, "", {{"title", &result.title}, {"answer", &result.answer}});
  const std::size_t n_lines = settings.count("line");
  std::vector<SheetLine> lines;
  CasePrices prices(changes.prices);
  for (std::size_t i = 0; i < n_lines; ++i)
    lines.push_back(read_line(settings, fmt::format("line.{}.", i), prices, result.listed));
  for (const auto& change : changes.changes) {
    result.changed.emplace(change.id, apply_case_change(change, lines, result.name));
  }
  for (SheetLine& line : lines) result.sheet.add(std::move(line));
  const std::size_t n_figures = settings.count("figure");
  for (std::size_t i = 0; i < n_figures; ++i) {
    result.figures.push_back(read_figure(settings, fmt::format("figure.{}.", i)));
  }
  const std::size_t n_definitions = settings.count("by_definition");
  for (std::size_t i = 0; i < n_definitions; ++i) {
    CaseDefinition each, priced;
    read_words(settings, fmt::format("by_definition.{}.", i),
               {{"definition", &each.definition},
                {"id", &each.id},
                {"to", &each.to},
                {"words", &each.words},
                {"priced_id", &priced.id},
                {"priced_to", &priced.to},
                {"priced_words", &priced.words}});
    priced.definition = each.definition;
    const bool again = !prices.is_default() && !priced.id.empty();
    result.by_definition.push_back(again ? priced : each);
  }
  const std::size_t n_notes = settings.count("note");
  for (std::size_t i = 0; i < n_notes; ++i) {
    auto& note = result.notes.emplace_back();
    read_words(settings, fmt::format("note.{}.", i),
               {{"heading", &note.first}, {"text", &note.second}});
  }
  try {
    result.sheet.finish(where);
  } catch (const Error& error) {
    settings.add_fault_line(error.message);
    settings.finish();
  }
  check_ids(settings, result, definitions);
  settings.finish();
  refuse_broken(result.sheet, changes.changes, result.changed);
  for (const auto& figure : result.figures) {
    refuse_crossed(result, figure.id, figure.to, changes.changes);
  }
  return result;
}

}  // namespace farthing
