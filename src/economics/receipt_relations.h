// receipt_relations.h - every figure of a receipt that follows from others is held to them.
//
// Two tables (receipt_relations.cpp): figures that are products or sums of others, and products
// that no machine gives (watts of a device, its FLOP/s by its sheet, cores at work).  A row
// binds where the receipt states all of its figures: whoever leaves one out is held to the rest.
//
//   room      of each figure half a unit of the last digit that it shows (902.3 J: 0.05; a whole
//             number: half of one), at most 0.5 %, of a price none; the rooms of a row's figures
//             add up, and with them 1e-9 of the result for the order of sums
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "economics/schema.h"

namespace farthing {

// One error for each row that fails; it names every figure of the row and its value.
std::vector<Finding> check_relations(const Json& receipt);

// What is stated alone, "val_bits_per_byte": every number that no product and no sum binds; the
// bounds on what machines and models give are too wide to hold one.
std::vector<std::string> unheld_figures(const Json& receipt);

}  // namespace farthing
