// device_book.h - the price book of a run, whatever it counts: cores, or devices of a cluster.
//
// A run that was trained here counts cores and is priced by the [rent], [machine] and [power] of
// its book (ledger/price_book.h).  An imported or simulated run counts devices: then the list's
// on-demand price is the rent of one (the spot price on a spot cluster), its "tdp" the watts (of
// the default list, where this one has none), and industry's the electricity, so that nothing of a
// GPU is ever priced like a core of a CPU.  What owning one costs is not stated: own-or-rent counts
// it.  The PUE is the site's, where the run states one, else the book's; the electricity is of the
// site's region, else of the US, and the sources of both say which.
//
// prices   a file, or a name under prices/.  One with [[price]] entries alone serves runs on
//          devices; what it lacks (electricity, cooling) is the default book's.
// Errors   Error{kBadInput}: a device without an on-demand price in the list; faults of the file.
#pragma once
#include <optional>
#include <string>

#include "base/json.h"
#include "ledger/history.h"
#include "ledger/price_book.h"

namespace farthing {

struct RunPrices {
  std::string prices = "default";
  std::string device = {};          // empty: cores
  std::optional<double> rent = {};  // USD for one core or device and hour; wins over the list
  RunSite site = {};                // of devices: its PUE and its region's electricity
};
PriceBook load_run_book(const RunPrices& wanted);

// The joules of a receipt that another book's watts do not change: measured, a simulation's, or
// estimated by somebody else in his own way.  Nothing where this program estimated them from the
// book's watts, or where none are stated: they are estimated anew (cost_of).
std::optional<double> kept_joules(const Json& receipt);

}  // namespace farthing
