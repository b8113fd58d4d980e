// cost_claims.cpp - farthing cost claims: what articles say that training costs, recomputed.
#include <fmt/core.h>

#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "config/share.h"
#include "economics/claims.h"
#include "economics/page.h"

namespace farthing {
namespace {

struct ClaimsOptions {
  std::string word;
  std::string file = "article_costs";
  bool wrong = false;
  CostOutput output;
};

Json range_json(const std::optional<SheetRange>& range) {
  if (!range) return nullptr;
  return Json::array({range->low, range->high});
}

Json to_json(const Claim& claim) {
  return {{"id", claim.id},
          {"article", claim.article},
          {"lines", claim.lines},
          {"speaker", claim.speaker},
          {"group", claim.group},
          {"name", claim.name},
          {"unit", claim.unit},
          {"inputs", claim.inputs},
          {"formula", claim.formula},
          {"stated", range_json(claim.stated)},
          {"recomputed",
           claim.arithmetic == SumCheck::kNone ? Json(nullptr) : range_json(claim.computed)},
          {"arithmetic", to_string(claim.arithmetic)},
          {"deviation", claim.deviation},
          {"evidence", claim.evidence},
          {"verdict", claim.verdict()},
          {"wrong", claim.is_wrong()},
          {"note", claim.note}};
}

std::string text_of(const Claim& claim) {
  const std::string computed = claim.computed_words();
  std::string text = wrap_text(fmt::format("{}: {}: {}", claim.id, claim.name, claim.verdict()), 0);
  std::string sums = "stated " + claim.stated_words();
  if (!computed.empty()) {
    sums += ", recomputed " + computed + " = " + claim.formula +
            (claim.inputs.empty() ? "" : " with " + claim.inputs);
  }
  text += wrap_text(sums, 4);
  if (!claim.note.empty()) text += wrap_text(claim.note, 4);
  return text + wrap_text(claim.source(), 4);
}

std::string summary_of(const std::vector<Claim>& claims) {
  std::map<SumCheck, int> sums;
  int wrong = 0;
  for (const auto& claim : claims) {
    ++sums[claim.arithmetic];
    wrong += claim.is_wrong() ? 1 : 0;
  }
  return fmt::format(
      "{} claims: the arithmetic of {} is exact, of {} rounded, of {} off by more than 6 %; {} "
      "have "
      "none, in {} nothing was stated. {}",
      claims.size(), sums[SumCheck::kExact], sums[SumCheck::kRounded], sums[SumCheck::kOff],
      sums[SumCheck::kNone], sums[SumCheck::kNothingStated],
      wrong == 0 ? "None is wrong."
                 : fmt::format("{} of {} are wrong: a sum that is off, a contradiction in itself, "
                               "or another source says otherwise.",
                               wrong, claims.size()));
}

std::string articles_of(const std::vector<Claim>& claims) {
  std::set<std::string> articles;
  for (const auto& claim : claims) articles.insert(claim.article);
  std::string text;
  for (const auto& article : articles) {
    if (article.size() == 3) text += wrap_text(describe_article(article), 2);
  }
  return text;
}

// `claims` are counted, `shown` are listed.
MoneyPage page_of(const std::vector<Claim>& claims, const std::vector<Claim>& shown,
                  const ClaimsOptions& options) {
  MoneyPage page;
  page.title = options.wrong ? "What articles get wrong about the cost of training"
                             : "What articles say that training costs, recomputed";
  page.answer = summary_of(claims);
  std::map<std::string, int> verdicts;
  for (const auto& claim : claims) {
    verdicts[to_string(claim.arithmetic)]++;
  }
  PageChart chart{.kind = "bars", .heading = "Does the sum hold?"};
  for (const char* name : {"exact", "rounded", "off", "no arithmetic", "nothing stated"}) {
    std::string id = name;
    for (char& c : id) c = c == ' ' ? '_' : c;
    page.sheet.add({.id = id,
                    .label = std::string(name),
                    .unit = "claims",
                    .value = static_cast<double>(verdicts[name]),
                    .source = "counted here"});
    chart.items.push_back({id});
  }
  page.sheet.finish("claims page");
  page.add(chart);
  PageTable table{.heading = "Claim by claim",
                  .headings = {"claim", "stated", "recomputed", "verdict", "where", "why"}};
  table.is_prose = true;
  table.note = kOffByRule;
  for (const auto& claim : shown) {
    table.rows.push_back({{claim.name},
                          {claim.stated_words()},
                          {claim.computed_words()},
                          {claim.verdict()},
                          {claim.source()},
                          {claim.note}});
  }
  page.add(table);
  std::set<std::string> articles;
  for (const auto& claim : shown) articles.insert(describe_article(claim.article));
  page.sources.assign(articles.begin(), articles.end());
  return page;
}

void claims_command(const ClaimsOptions& options) {
  std::vector<Claim> claims = make_claims(read_csv(find_shared("claims", options.file, ".csv")));
  std::erase_if(claims, [&](const Claim& claim) { return !has_word(claim, options.word); });
  if (claims.empty()) {
    throw_bad_input({"farthing cost claims", "no claim with the word", options.word, "",
                     "try run, power, history, indie, gpt4"});
  }
  std::vector<Claim> shown = claims;
  if (options.wrong) std::erase_if(shown, [](const Claim& claim) { return !claim.is_wrong(); });
  if (!options.output.html.empty()) {
    write_page(options.output.html, page_of(claims, shown, options), options.output.json);
  }
  if (options.output.json) {
    Json json = Json::array();
    for (const auto& claim : shown) json.push_back(to_json(claim));
    return print_json(json);
  }
  if (!options.output.html.empty()) return;
  std::string text;
  for (const auto& claim : shown) text += text_of(claim) + "\n";
  const std::string articles = articles_of(shown);
  if (!articles.empty()) text.insert(0, "The articles\n" + articles + "\n");
  std::cout << text << wrap_text(summary_of(claims), 0) << wrap_text(kOffByRule, 0);
}

void add_cost_claims(Command& app) {
  auto options = std::make_shared<ClaimsOptions>();
  Command* claims = cost_command(app).add_subcommand("claims", "what articles say, recomputed");
  claims->add_option("word", options->word, "only claims with this word");
  claims->add_flag("--wrong", options->wrong, "only those whose sum or source fails");
  claims->add_option("--file", options->file, "a CSV of claims, or a name under claims/");
  add_cost_output(*claims, options->output, false);
  set_example(*claims, "farthing cost claims --wrong power\n\n" + wrap_text(kOffByRule, 0, 80));
  claims->callback([options] { claims_command(*options); });
}

const CommandRegistration kCostClaims{add_cost_claims, kCostOrder};

}  // namespace
}  // namespace farthing
