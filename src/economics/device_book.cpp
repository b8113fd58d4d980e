// device_book.cpp - devices priced from the list, cores from the book.
#include "economics/device_book.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "config/share.h"
#include "economics/price_list.h"
#include "economics/serving_answer.h"
#include "ledger/import_log.h"

namespace farthing {
namespace {

// A list without [rent] has no book: the default's electricity, cooling and sterling serve.
PriceBook book_of(const std::string& prices, std::optional<double> rent) {
  const std::string path = find_shared("prices", prices, ".toml");
  const bool is_book = read_file(path).find("[rent]") != std::string::npos;
  return load_price_book(is_book ? prices : "default", rent);
}

Price price_of(const PriceEntry& entry, const std::string& unit) {
  return {entry.value, unit, entry.date, entry.source, entry.confidence};
}

// A machine room's electricity, not a home's, and the site's own PUE.
void take_site(PriceBook& book, const PriceList& list, const PriceList& usual,
               const RunSite& site) {
  const std::string region = site.region.empty() ? "us" : site.region;
  const PriceEntry* industrial = list.find({"electricity", "industrial", region});
  if (industrial == nullptr) industrial = usual.find({"electricity", "industrial", region});
  if (industrial != nullptr) {
    book.electricity = price_of(*industrial, "USD per kWh");
    book.electricity.source += site.region.empty() ? " (the site's region is not stated)"
                                                   : " (the site's region: " + region + ")";
  }
  if (site.pue >= 1) {
    book.cooling = {site.pue, "", site.pue_date, "site " + site.cluster + ": " + site.pue_source,
                    site.pue_confidence};
  } else {
    book.cooling.source += " (the site states none)";
  }
}

// What the device is, nobody said: neither its price nor its watts are known.
PriceBook without_device(PriceBook book, std::optional<double> rent) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  book.is_owned = false;
  book.machine_cores = 1;
  book.rent.unit = "USD per device-hour";
  if (!rent) book.rent = {kUnknown, book.rent.unit, "", "device not stated", "not stated"};
  book.machine.value = book.power.value = kUnknown;
  return book;
}

}  // namespace

std::optional<double> kept_joules(const Json& receipt) {
  const auto at = [&](const char* pointer) -> const Json* {
    const Json::json_pointer path(pointer);
    return receipt.contains(path) ? &receipt.at(path) : nullptr;
  };
  const Json *estimated = at("/joules_estimated"), *origin = at("/origin"),
             *kwh = at("/energy/kwh");
  const Json* joules = at("/joules");
  const bool is_acted = origin != nullptr && *origin == "simulated";
  if (estimated != nullptr && *estimated == true && !is_acted) return std::nullopt;
  if (joules != nullptr && joules->is_number()) return joules->get<double>();
  if (kwh != nullptr && kwh->is_number()) return kwh->get<double>() * 3.6e6;
  return std::nullopt;
}

PriceBook load_run_book(const RunPrices& wanted) {
  if (wanted.device.empty()) return load_price_book(wanted.prices, wanted.rent);
  PriceBook book = book_of(wanted.prices, wanted.rent);
  if (wanted.device == kDeviceNotStated) return without_device(std::move(book), wanted.rent);
  const PriceList list = load_price_list(wanted.prices);
  const std::string hour = "USD per " + wanted.device + "-hour";
  const PriceList usual = load_price_list("default");
  const PriceEntry* rent =
      wanted.site.spot ? find_device_price(list, wanted.device, "spot") : nullptr;
  if (rent == nullptr) rent = find_device_price(list, wanted.device, "on-demand");
  if (wanted.rent) {
    book.rent.unit = hour;
  } else if (rent != nullptr) {
    book.rent = price_of(*rent, hour);
  } else {
    throw_bad_input({list.name, "a price of \"" + wanted.device + "\"", "none in the price list",
                     "a list that has one; where a command takes --set, cost.price=USD for one "
                     "device and hour",
                     ""});
  }
  book.is_owned = false;
  book.machine_cores = 1;
  // Owning a device is more than its price: server, network, people, life, busy share.
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  book.machine = {kUnknown, "USD", "", "farthing cost own-or-rent", "not stated"};
  // Watts are the device's and no list's matter: one that leaves them out has the default's.
  const PriceEntry* tdp = find_device_price(list, wanted.device, "tdp");
  if (tdp == nullptr) tdp = find_device_price(usual, wanted.device, "tdp");
  book.power = tdp != nullptr ? price_of(*tdp, "W")
                              : Price{kUnknown, "W", "", "watts not stated", "not stated"};
  take_site(book, list, usual, wanted.site);
  return book;
}

}  // namespace farthing
