// cost_prices.cpp - farthing cost prices: what a price list holds, with dates and sources.
#include <fmt/core.h>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/price_list.h"
#include "economics/sheet.h"
#include "report/table.h"

namespace farthing {
namespace {

struct PricesOptions {
  std::string word, region, as_of;
  CostOutput output;
};

bool is_wanted(const PriceEntry& entry, const PricesOptions& options) {
  const bool named = (entry.item + " " + entry.kind).find(options.word) != std::string::npos;
  const bool placed =
      options.region.empty() || entry.region.empty() || entry.region == options.region;
  return named && placed &&
         (options.as_of.empty() || months_between(options.as_of, entry.date) <= 0.75);
}

void prices_command(const PricesOptions& options) {
  if (!options.as_of.empty() && !is_date(options.as_of)) {
    throw Error{ErrorCode::kUsage, "--as-of: found \"" + options.as_of + "\", wanted YYYY-MM"};
  }
  const PriceList list = load_price_list(options.output.prices);
  const std::string day = options.as_of.empty() ? today() : options.as_of;
  Json json = Json::array();
  std::string text, warnings;
  for (const auto& entry : list.entries) {
    if (!is_wanted(entry, options)) continue;
    const bool latest = list.find({entry.item, entry.kind, entry.region, options.as_of}) == &entry;
    const auto stale = latest ? staleness(entry, day) : std::nullopt;
    json.push_back({{"item", entry.item},
                    {"kind", entry.kind},
                    {"region", entry.region},
                    {"value", entry.value},
                    {"low", entry.low},
                    {"high", entry.high},
                    {"unit", entry.unit},
                    {"date", entry.date},
                    {"source", entry.source},
                    {"confidence", entry.confidence},
                    {"includes", entry.includes},
                    {"latest", latest},
                    {"stale", stale.has_value()}});
    const std::string name = entry.item + (entry.kind.empty() ? "" : " " + entry.kind) +
                             (entry.region.empty() ? "" : ", " + entry.region);
    text += name + (latest ? "" : " (superseded)") + "\n" + wrap_text(describe(entry), 4) +
            (entry.note.empty() ? "" : wrap_text(entry.note, 4));
    if (stale) warnings += wrap_prose("  " + *stale, 4, prose_columns());
  }
  if (json.empty()) {
    throw_bad_input(
        {list.name, "no price named", options.word, "", "farthing cost prices lists all"});
  }
  if (options.output.json) return print_json(json);
  std::cout << text;
  if (!warnings.empty()) {
    std::cout << "\n"
              << wrap_text(
                     fmt::format("Older than {} months, or dated ahead: ask again", kStaleMonths),
                     0)
              << warnings;
  }
}

void add_cost_prices(Command& app) {
  auto options = std::make_shared<PricesOptions>();
  Command* prices =
      cost_command(app).add_subcommand("prices", "a price list with dates and sources");
  prices->add_option("word", options->word, "only items and kinds with this word");
  prices->add_option("--region", options->region, "prices of that place")->one_of({"us", "china"});
  prices->add_option("--as-of", options->as_of, "YYYY-MM: prices known then");
  prices->add_option("--prices", options->output.prices, "a file, or a name under prices/");
  add_json_flag(*prices, options->output.json);
  set_example(*prices, "farthing cost prices h100-sxm --as-of 2025-06");
  prices->callback([options] { prices_command(*options); });
}

const CommandRegistration kCostPrices{add_cost_prices, kCostOrder};

}  // namespace
}  // namespace farthing
