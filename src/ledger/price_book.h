// price_book.h - what a core-hour, a machine and a kilowatt-hour cost, each with date and source.
//
// A book is a TOML file, prices/NAME.toml.  basis = "rent" charges core-hours; "own" charges the
// machine's depreciation over the hours it is used, plus its power and cooling.
#pragma once
#include <optional>
#include <string>

namespace farthing {

struct Price {
  double value = 0;
  std::string unit;
  std::string date;  // of the source
  std::string source;
  std::string confidence;  // published, rounded, assumed
};

struct PriceBook {
  std::string name;
  bool is_owned = false;  // basis
  Price rent;             // USD per core-hour
  Price machine;          // USD
  double machine_years = 0;
  double machine_busy_share = 0;  // of all hours
  int machine_cores = 0;
  Price power;        // watts of the machine at work
  Price cooling;      // PUE: all energy over the machine's own
  Price electricity;  // USD per kWh
  Price sterling;     // USD per GBP
};

// `name` as config/share.h finds it under prices/.  A given rent overrides the book's and makes it
// the basis.  Errors: Error{kBadInput}, unknown and missing keys included, every fault with its
// line.
PriceBook load_price_book(const std::string& name, std::optional<double> rent = {});
PriceBook parse_price_book(const std::string& toml, const std::string& where,
                           std::optional<double> rent = {});

// "0.04 USD per core-hour, rented, source, date"
std::string describe(const PriceBook& book);

}  // namespace farthing
