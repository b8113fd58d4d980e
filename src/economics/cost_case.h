// cost_case.h - how published figures for a model's cost follow from one calculation.
//
// claims/NAME.toml:
//   title, answer            what the page says first
//   [[line]]                 of a Sheet: id label unit, value [low high] or formula, source date
//                            confidence note slider; or price = "item/kind/region" of the list in
//                            use, with or_default = true: of the default list where that has none
//   [[figure]]               a published figure: id (and `to`, the upper end) of the lines that
//                            compute it; stated (words) with low and high in dollars; who, why, the
//                            definition it belongs to; with = [ids] puts it into proportion.
//                            Without `stated` nobody published it
//   [[by_definition]]        for each of the five: id (and to) or none, words; priced_id (and
//                            priced_to, priced_words) instead where the reader brings a price list
//   [[note]]                 heading, text
//
// Agreement: computed against stated, ends of ranges each, relative to stated: within 1 %
// "follows", within 6 % "follows, rounded", else "does not follow"; "over X" has no high and
// follows from any number that is not below it.
//
// claims/definitions.toml: [[part]] id name label, [[definition]] id label meaning parts[].
// Errors   Error{kBadInput}, every fault with its line.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "economics/scenario.h"
#include "economics/sheet.h"

namespace farthing {

struct CostPart {
  std::string id, name, label;  // name: a word or two
};

struct Definition {
  std::string id, label, meaning;
  std::vector<std::string> parts;  // what is in
  bool has(const std::string& part) const;
};

struct Definitions {
  std::vector<CostPart> parts;
  std::vector<Definition> definitions;
  const Definition& at(const std::string& id) const;  // REQUIRES: one of the five (CHECK)
  // The names of the parts that are out.
  std::vector<std::string> excluded(const Definition& definition) const;
  std::string label_of(const std::string& part) const;
  std::string name_of(const std::string& part) const;
};
Definitions load_definitions();
Definitions parse_definitions(const std::string& toml, const std::string& where);

struct CaseFigure {
  std::string id, to;  // lines; `to` is empty for a single figure
  std::string stated, who, definition, why;
  std::optional<double> low, high;
  std::vector<std::string> with;  // lines that put it into proportion
  bool is_over = false;           // its source says "more than this"
};

struct CaseDefinition {
  std::string definition, id, to, words;
};

struct CostCase {
  std::string name, title, answer;
  Sheet sheet;
  std::vector<CaseFigure> figures;
  std::vector<CaseDefinition> by_definition;
  std::vector<std::pair<std::string, std::string>> notes;
  std::vector<std::string> listed;  // lines of the price list
  // "rent of an H800 in the price list: a price of 2025-03, 20 months old"
  std::vector<std::string> stale_prices(const std::string& today) const;
  // Each source of an input once, in order.
  std::vector<std::string> sources() const;
  std::map<std::string, double> changed;  // inputs that the reader replaced: what they were
  // Whether a replaced input is in the figure: then it is his, and no source is held to it.
  bool is_readers(const std::string& id, const std::string& to) const;
  bool is_readers(const CaseFigure& figure) const { return is_readers(figure.id, figure.to); }
  // What the figure of a definition is; of the reader's own that it is his.
  std::string words_of(const CaseDefinition& definition) const;
  // Sliders that move the figure.
  std::vector<std::string> sliders_of(const std::string& id, const std::string& to) const;
  // What was replaced, and whose the texts are; empty where nothing was.
  std::string changed_words() const;
  // "follows", "follows, rounded", "does not follow (off by 12 %)", "quoted, not computed" (the
  // figure is itself an input), "computed here" (nobody stated one), "not stated", "with your
  // values".
  std::string agreement(const CaseFigure& figure) const;
  bool is_quoted(const std::string& id) const;
  bool is_least(const std::string& id) const;  // stated as "over" it
  // "$5.576M", "$22.3M to $27.88M".
  std::string computed(const std::string& id, const std::string& to) const;
};

// What a reader brings of his own.
struct CaseChanges {
  std::string prices = "default";            // of lines with price = "item/kind"; a file, or a name
  std::vector<ScenarioChange> changes = {};  // inputs replaced, as --set says
};
inline constexpr const char* kReaders = "with your values";
inline constexpr const char* kReadersFirst = "with your values; with the sources' values: ";
std::vector<std::string> cost_case_names();  // under claims/
CostCase load_cost_case(const std::string& name, const Definitions& definitions,
                        const CaseChanges& changes = {});
CostCase parse_cost_case(const std::string& toml, const std::string& where,
                         const Definitions& definitions, const CaseChanges& changes = {});

}  // namespace farthing
