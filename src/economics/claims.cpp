// claims.cpp - rows become claims; formulas are evaluated; the arithmetic is judged.
#include "economics/claims.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "base/error.h"
#include "config/share.h"

namespace farthing {
namespace {

constexpr double kExact = 0.01, kRounded = 0.06;
using Inputs = std::map<std::string, std::vector<double>>;

std::string trimmed(std::string text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.back())) text.pop_back();
  text.erase(0, text.find_first_not_of(" \t") == std::string::npos ? text.size()
                                                                   : text.find_first_not_of(" \t"));
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    if (at < text.size() && text[at] != separator) continue;
    parts.push_back(trimmed(text.substr(begin, at - begin)));
    begin = at + 1;
  }
  return parts;
}

double number(const std::string& text, const std::string& where, const char* what) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size() || !std::isfinite(value)) {
    throw_bad_input({where, what, "\"" + text + "\"", "a number", ""});
  }
  return value;
}

Inputs parse_inputs(const std::string& text, const std::string& where) {
  Inputs inputs;
  if (trimmed(text).empty()) return inputs;
  for (const auto& part : split(text, ';')) {
    const std::size_t equals = part.find('=');
    const std::string name = trimmed(part.substr(0, equals));
    if (equals == std::string::npos || name.empty()) {
      throw_bad_input(
          {where, "inputs", "\"" + part + "\"", "name=number or name=[number, number]", ""});
    }
    std::string value = trimmed(part.substr(equals + 1));
    if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
    for (const auto& each : split(value, ',')) {
      inputs[name].push_back(number(each, where, "inputs"));
    }
  }
  return inputs;
}

SheetRange range_of(double a, double b) { return {std::min(a, b), std::max(a, b)}; }

// Lists of two go through the formula element by element.
std::optional<SheetRange> compute(const std::string& formula_text, const std::string& input_text,
                                  const std::string& where) {
  if (formula_text.empty()) return std::nullopt;
  const Formula formula = Formula::parse(formula_text, where);
  const Inputs inputs = parse_inputs(input_text, where);
  std::size_t n = 1;
  for (const auto& [name, values] : inputs) n = std::max(n, values.size());
  std::vector<double> results;
  for (std::size_t i = 0; i < n; ++i) {
    results.push_back(formula.evaluate([&](const std::string& name) {
      const auto found = inputs.find(name);
      if (found == inputs.end()) {
        throw_bad_input({where, "formula", "the name " + name, "one of the inputs", ""});
      }
      const auto& values = found->second;
      if (values.size() != 1 && values.size() != n) {
        throw_bad_input({where, "inputs",
                         name + " with " + std::to_string(values.size()) + " values",
                         "1 or " + std::to_string(n), ""});
      }
      return values[values.size() == 1 ? 0 : i];
    }));
  }
  for (const double result : results) {
    if (!std::isfinite(result)) throw_bad_input({where, "formula", "no finite result", "", ""});
  }
  return range_of(*std::min_element(results.begin(), results.end()),
                  *std::max_element(results.begin(), results.end()));
}

// "5..7", "50000..40000", "100+", "5.576e+06".
void read_stated(const std::string& text, const std::string& where, Claim& claim) {
  if (text.empty()) return;
  std::string rest = text;
  if (rest.ends_with('+')) claim.stated_or_more = true, rest.pop_back();
  const std::size_t dots = rest.find("..");
  const double low = number(rest.substr(0, dots), where, "stated");
  const double high =
      dots == std::string::npos ? low : number(rest.substr(dots + 2), where, "stated");
  claim.stated = range_of(low, high);
}

double relative(double found, double stated) {
  return stated == 0 ? std::abs(found) : std::abs(found - stated) / std::abs(stated);
}

// A formula that is one number computes nothing.
bool is_bare(const std::string& formula) {
  char* end = nullptr;
  (void)std::strtod(formula.c_str(), &end);
  return end == formula.c_str() + formula.size();
}

void judge(Claim& claim) {
  if (is_bare(claim.formula)) {
    claim.arithmetic = SumCheck::kNone;
  } else if (!claim.stated) {
    claim.arithmetic = SumCheck::kNothingStated;
  } else {
    const bool is_more = claim.stated_or_more && claim.computed->low >= claim.stated->low;
    claim.deviation = is_more ? 0 : off_by(*claim.stated, *claim.computed);
    claim.arithmetic = sum_check(claim.deviation);
  }
}

// Typed as a wrong sum, and the sum holds.
bool holds_after_all(const Claim& claim) {
  return claim.evidence == "arith_error" &&
         (claim.arithmetic == SumCheck::kExact || claim.arithmetic == SumCheck::kRounded);
}

double scale_of(const std::string& unit) { return unit == "M$" ? 1e6 : unit == "K$" ? 1e3 : 1; }

// "25,215" are two lines, "813-816" several; neither is a thousand.
std::string lines_words(std::string lines) {
  const bool several = lines.find_first_of(",-") != std::string::npos;
  for (std::size_t at = lines.find(','); at != std::string::npos; at = lines.find(',', at + 2)) {
    lines.insert(at + 1, " ");
  }
  return (several ? ", lines " : ", line ") + lines;
}

std::string in_words(const SheetRange& range, const std::string& unit) {
  const double scale = scale_of(unit);
  const bool money = unit == "$" || unit == "M$" || unit == "K$";
  const std::string shown = money ? "USD" : unit.starts_with("$/") ? "USD" + unit.substr(1) : unit;
  return format_figure(SheetRange{range.low * scale, range.high * scale}, shown);
}

}  // namespace

double off_by(const SheetRange& stated, const SheetRange& recomputed) {
  SheetRange s = stated, r = recomputed;
  const bool one_stated = s.low == s.high, one_recomputed = r.low == r.high;
  if (one_stated && !one_recomputed) r.low = r.high = std::clamp(s.low, r.low, r.high);
  if (one_recomputed && !one_stated) s.low = s.high = std::clamp(r.low, s.low, s.high);
  return std::max(relative(r.low, s.low), relative(r.high, s.high));
}

SumCheck sum_check(double off) {
  return off < kExact ? SumCheck::kExact : off < kRounded ? SumCheck::kRounded : SumCheck::kOff;
}

std::string sum_words(double off) {
  const SumCheck check = sum_check(off);
  return check == SumCheck::kOff ? fmt::format("off by {:.0f} %", 100 * off) : to_string(check);
}

std::string off_formula(const SheetRange& stated, const std::string& from, const std::string& to) {
  const bool one_stated = stated.low == stated.high;
  if (one_stated == to.empty()) {
    return fmt::format("100 * max(abs({} / {} - 1), abs({} / {} - 1))", from, stated.low,
                       to.empty() ? from : to, stated.high);
  }
  if (to.empty()) {
    return fmt::format("100 * max(0, 1 - {0} / {1}, {0} / {2} - 1)", from, stated.low, stated.high);
  }
  return fmt::format("100 * max(0, {0} / {2} - 1, 1 - {1} / {2})", from, to, stated.low);
}

PageCell sum_cell(Sheet& sheet, const std::string& name, const std::string& off_formula,
                  const std::array<std::string, 3>& words) {
  const auto add = [&](const std::string& id, const std::string& formula) {
    sheet.add({.id = id, .label = id, .unit = "%", .formula = formula, .condition = true});
    return id;
  };
  const std::string off = add(name + "_off", off_formula);
  const std::string shown = add(name, "floor(" + off + " + 0.5)");
  std::string far = words[2];
  far.replace(far.find("{}"), 2, "{" + shown + "}");
  PageCell cell;
  cell.sentences = {
      {words[0], add(name + "_close", "1 - " + off)},
      {words[1], add(name + "_near", fmt::format("min({0} - 1 + 1e-12, 6 - {0})", off))},
      {far, add(name + "_far", off + " - 6 + 1e-12")}};
  return cell;
}

const char* to_string(SumCheck arithmetic) {
  switch (arithmetic) {
    case SumCheck::kExact:
      return "exact";
    case SumCheck::kRounded:
      return "rounded";
    case SumCheck::kOff:
      return "off";
    case SumCheck::kNone:
      return "no arithmetic";
    case SumCheck::kNothingStated:
      return "nothing stated";
  }
  return "";
}

bool Claim::is_wrong() const {
  static const std::set<std::string> kWrong = {"arith_error", "contradicted", "inconsistent", "low",
                                               "high"};
  return arithmetic == SumCheck::kOff || (kWrong.contains(evidence) && !holds_after_all(*this));
}

std::string Claim::verdict() const {
  static const std::map<std::string, std::string> kWords = {
      {"ok", "holds"},
      {"ok_conceptual_flag", "adds up, but measures nothing"},
      {"approx", "about right"},
      {"arith_error", "wrong sum"},
      {"contradicted", "another source says otherwise"},
      {"inconsistent", "contradicts itself"},
      {"unsourced", "no source"},
      {"derived", "not in an article: derived here"},
      {"low", "too low"},
      {"high", "too high"},
      {"contested", "contested"},
      {"ambiguous", "ambiguous"},
      {"plausible", "plausible"}};
  const auto found = kWords.find(holds_after_all(*this) ? "approx" : evidence);
  std::string words = found == kWords.end() ? evidence : found->second;
  if (arithmetic != SumCheck::kOff) return words;
  // Where nothing else speaks against the claim its sum does.
  static const std::set<std::string> kSumAlone = {"ok",      "ok_conceptual_flag", "approx",
                                                  "derived", "plausible",          "arith_error"};
  if (kSumAlone.contains(evidence)) return "wrong sum (" + sum_words(deviation) + ")";
  return words + ", its sum " + sum_words(deviation);
}

std::string Claim::stated_words() const {
  if (!stated || (arithmetic == SumCheck::kNone && stated->low == 0 && stated->high == 0)) {
    return "not stated";
  }
  return in_words(*stated, unit) + (stated_or_more ? " or more" : "");
}

std::string Claim::computed_words() const {
  return arithmetic == SumCheck::kNone || !computed ? "" : in_words(*computed, unit);
}

std::string Claim::source() const {
  std::string text = article;
  if (article.size() == 3) text.insert(0, "article ");
  if (lines != "-" && !lines.empty()) text += lines_words(lines);
  return text + (speaker.empty() ? "" : ", " + speaker);
}

std::optional<SheetRange> Claim::stated_usd() const {
  if (!stated) return std::nullopt;
  return SheetRange{stated->low * scale_of(unit), stated->high * scale_of(unit)};
}

std::vector<Claim> article_claims() {
  return make_claims(read_csv(find_shared("claims", "article_costs", ".csv")));
}

std::vector<Claim> make_claims(const Csv& csv) {
  for (const char* column : {"id", "inputs", "formula", "stated", "verdict_evidence"}) {
    if (std::find(csv.columns.begin(), csv.columns.end(), column) != csv.columns.end()) continue;
    throw_bad_input({"claims", "no such column", "", column, ""});
  }
  std::vector<Claim> claims;
  std::set<std::string> ids;
  for (const auto& row : csv.rows) {
    Claim claim;
    claim.id = row.at("id"), claim.article = row.at("article"), claim.lines = row.at("lines");
    claim.speaker = row.at("speaker"), claim.group = row.at("group"), claim.name = row.at("name");
    claim.inputs = row.at("inputs"), claim.formula = row.at("formula"), claim.unit = row.at("unit");
    claim.evidence = row.at("verdict_evidence"), claim.note = row.at("note");
    claim.recorded = row.at("recomputed"), claim.recorded_arithmetic = row.at("verdict_arith");
    if (!ids.insert(claim.id).second) {
      throw_bad_input({row.where, "id", claim.id + " again", "each id once", ""});
    }
    const std::string where = row.where + ": " + claim.id;
    read_stated(row.at("stated"), where, claim);
    claim.computed = compute(claim.formula, claim.inputs, where);
    judge(claim);
    claims.push_back(std::move(claim));
  }
  return claims;
}

std::string describe_article(const std::string& article) {
  static const std::map<std::string, std::string> kArticles = {
      {"000",
       "article 000, a discussion of DeepSeek's training cost by four speakers; its title, date "
       "and "
       "address are not stated"},
      {"001", "article 001, the economist's part of 000 again; title, date and address not stated"},
      {"002",
       "article 002, a blog on what training runs cost; title, author, date and address not "
       "stated"},
      {"003",
       "article 003, an essay on DeepSeek's 5.6 million; title, author, date and address not "
       "stated"},
      {"derived", "derived here from published inputs"},
      {"V3 report", "DeepSeek-V3 technical report, arXiv:2412.19437"},
      {"Llama 3 Table 5", "The Llama 3 Herd of Models, arXiv:2407.21783, table 5"},
      {"arXiv 2410.21680", "Revisiting Reliability in Large-Scale ML Clusters, arXiv:2410.21680"}};
  const auto found = kArticles.find(article);
  return found == kArticles.end() ? article : found->second;
}

bool has_word(const Claim& claim, const std::string& word) {
  const auto lower = [](std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  };
  const std::string all =
      claim.id + "\n" + claim.group + "\n" + claim.name + "\n" + claim.speaker + "\n" + claim.note;
  return lower(all).find(lower(word)) != std::string::npos;
}

}  // namespace farthing
