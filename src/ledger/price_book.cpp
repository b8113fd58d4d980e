// price_book.cpp - price books read through Settings.
#include "ledger/price_book.h"

#include <fmt/core.h>

#include <cmath>

#include <filesystem>

#include "base/calendar.h"
#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "config/share.h"

namespace farthing {
namespace {

constexpr double kMost = 1e12;

struct PriceKey {
  const char* section;
  const char* key;
  const char* unit;
  double low;
};

void read_required(Settings& settings, const std::string& path, double& field,
                   const SettingRule& rule) {
  if (!settings.has(path)) settings.add_fault(path, "nothing", "a number");
  settings.read(path, field, rule);
}

void read_price(Settings& settings, const PriceKey& key, Price& price) {
  const std::string section = std::string(key.section) + ".";
  price.unit = key.unit;
  read_required(settings, section + key.key, price.value, {.low = key.low, .high = kMost});
  settings.read(section + "date", price.date, {});
  if (settings.has(section + "date") && !is_date(price.date)) {
    settings.add_fault(section + "date", "\"" + price.date + "\"", kDateWanted);
  }
  settings.read(section + "source", price.source, {});
  price.confidence = "published";
  settings.read(section + "confidence", price.confidence, {.words = "published rounded assumed"});
  for (const char* name : {"date", "source"}) {
    if (settings.has(section + name)) continue;
    settings.add_fault(section + name, "nothing", "every price has a date and a source");
  }
}

// One line for a list of [[price]] that has no book, not one for each key that a book has.
void refuse_list_alone(Settings& settings, const std::string& where) {
  const bool has_part = settings.has("rent.usd_per_core_hour") || settings.has("machine.usd") ||
                        settings.has("power.watts") || settings.has("electricity.usd_per_kwh");
  if (settings.count("price") == 0 || has_part) return;
  throw_bad_input({where, "no price of a core-hour", "[[price]] entries alone",
                   "a price book: [rent], [machine], [power], [cooling], [electricity], [sterling]",
                   "prices/default.toml has them; this list serves runs on devices"});
}

}  // namespace

PriceBook load_price_book(const std::string& name, std::optional<double> rent) {
  const std::string path = find_shared("prices", name, ".toml");
  return parse_price_book(read_file(path), path, rent);
}

PriceBook parse_price_book(const std::string& toml, const std::string& where,
                           std::optional<double> rent) {
  Settings settings(toml, where);
  refuse_list_alone(settings, where);
  PriceBook book;
  book.name = std::filesystem::path(where).stem().string();
  std::string basis = "rent";
  settings.read("basis", basis, {.words = "rent own"});
  book.is_owned = basis == "own";
  read_price(settings, {"rent", "usd_per_core_hour", "USD per core-hour", 0}, book.rent);
  read_price(settings, {"machine", "usd", "USD", 0}, book.machine);
  read_price(settings, {"power", "watts", "W", 0}, book.power);
  read_price(settings, {"cooling", "pue", "", 1}, book.cooling);
  read_price(settings, {"electricity", "usd_per_kwh", "USD per kWh", 0}, book.electricity);
  read_price(settings, {"sterling", "usd_per_gbp", "USD per GBP", 1e-6}, book.sterling);
  read_required(settings, "machine.years", book.machine_years, {.low = 0.01, .high = 100});
  read_required(settings, "machine.busy_share", book.machine_busy_share, {.low = 0.001, .high = 1});
  double cores = 1;
  read_required(settings, "machine.cores", cores, {.low = 1, .high = 1e6});
  book.machine_cores = static_cast<int>(cores);
  settings.skip_section("price");  // of economics/price_list.h
  settings.finish();
  if (rent) {
    book.is_owned = false;
    book.rent = {*rent, "USD per core-hour", "", "--set cost.price or the recipe", "assumed"};
  }
  return book;
}

std::string describe(const PriceBook& book) {
  const auto source = [](const Price& price) {
    return price.source + (price.date.empty() ? "" : ", " + price.date);
  };
  if (!book.is_owned && !std::isfinite(book.rent.value)) return "not stated, " + book.rent.source;
  if (!book.is_owned) {
    return fmt::format("{} {}, rented, {}", book.rent.value, book.rent.unit, source(book.rent));
  }
  return fmt::format(
      "owned: {} USD over {} years, in use {:.0f} % of the time, {} cores ({}); {} W x PUE {} at "
      "{} "
      "USD per kWh ({})",
      book.machine.value, book.machine_years, 100 * book.machine_busy_share, book.machine_cores,
      source(book.machine), book.power.value, book.cooling.value, book.electricity.value,
      source(book.electricity));
}

}  // namespace farthing
