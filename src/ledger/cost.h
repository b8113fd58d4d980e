// cost.h - money of core-seconds and joules, seen through a price book.
//
//   rented        core-hours * rent
//   depreciation  core-hours * machine / (years * 8766 h * busy_share * cores)
//   electricity   joules * PUE / 3.6e6 * USD per kWh
//   owned         depreciation + electricity
//
// Joules that were not measured are the machine's power times its share of cores, an estimate.
#pragma once
#include <optional>

#include "ledger/price_book.h"

namespace farthing {

struct Usage {
  double seconds = 0;
  double cores = 0;
  std::optional<double> joules;  // absent: estimated from the book
};

struct Cost {
  double usd = 0;  // by the book's basis: rented or owned
  double rented_usd = 0;
  double owned_usd = 0;
  double depreciation_usd = 0;
  double electricity_usd = 0;
  double joules = 0;
  bool joules_estimated = false;
};

Cost cost_of(const Usage& usage, const PriceBook& book);
// The power that the book gives to so many cores.
double estimated_watts(double cores, const PriceBook& book);
// A farthing is a quarter of an old penny, 1/960 of a pound sterling.
double usd_to_farthings(double usd, const PriceBook& book);

}  // namespace farthing
