// cost.cpp - the formulas of cost.h.
#include "ledger/cost.h"

#include "base/calendar.h"

namespace farthing {
namespace {
constexpr double kJoulesPerKwh = 3.6e6;
constexpr double kFarthingsPerPound = 960;
}  // namespace

double estimated_watts(double cores, const PriceBook& book) {
  return book.power.value * cores / book.machine_cores;
}

Cost cost_of(const Usage& usage, const PriceBook& book) {
  const double core_hours = usage.seconds * usage.cores / 3600;
  Cost cost;
  cost.joules_estimated = !usage.joules;
  cost.joules = usage.joules.value_or(usage.seconds * estimated_watts(usage.cores, book));
  cost.rented_usd = core_hours * book.rent.value;
  cost.depreciation_usd =
      core_hours * book.machine.value /
      (book.machine_years * kHoursPerYear * book.machine_busy_share * book.machine_cores);
  cost.electricity_usd = cost.joules * book.cooling.value / kJoulesPerKwh * book.electricity.value;
  cost.owned_usd = cost.depreciation_usd + cost.electricity_usd;
  cost.usd = book.is_owned ? cost.owned_usd : cost.rented_usd;
  return cost;
}

double usd_to_farthings(double usd, const PriceBook& book) {
  return usd / book.sterling.value * kFarthingsPerPound;
}

}  // namespace farthing
