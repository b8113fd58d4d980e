// mixture.h - which source, and which of its samples, global sample i is: a pure function.
//
//   quota_s(b) = floor( integral of share_s over the first b blocks )
//
// Block b, of 16 samples or two per source, holds quota_s(b + 1) - quota_s(b) samples of every
// source s, in an order keyed by b: the achieved mixture is never further from the wanted one than
// a block and a sample, and no state has to be kept.  Sample numbers of a source count up without a
// gap, so that it is read without replacement within its epochs.  Shares are piecewise constant, or
// linear between stages, in the number of tokens.
//
// Exact    integers throughout: the same on every machine, for any layout and after any resume.
// Cost     O(sources * stages) a sample; memory the same.
// Errors   none: the recipe's check comes first.
#pragma once
#include <cstdint>
#include <vector>

#include "config/recipe.h"

namespace farthing {

class Mixture {
 public:
  // REQUIRES data.sources and data.stages as parse_recipe accepts them.
  explicit Mixture(const DataRecipe& data);

  struct Place {
    int source = 0;
    std::int64_t sample = 0;  // of that source
  };
  // REQUIRES 0 <= global_sample < 2^38.
  Place place(std::int64_t global_sample) const;
  // Samples of every source among the first n.
  std::vector<std::int64_t> counts(std::int64_t n) const;
  // The wanted share of every source at a global sample; they add up to 1.
  std::vector<double> shares(std::int64_t global_sample) const;

 private:
  struct Point {
    std::int64_t sample;              // where these shares begin
    std::vector<std::int64_t> share;  // in units of 2^-24; they add up to 1
  };
  std::int64_t quota(std::size_t source, std::int64_t block) const;
  std::int64_t begin_of(std::int64_t block) const;
  std::int64_t block_of(std::int64_t global_sample) const;

  std::vector<Point> points_;
  bool linear_ = false;
  std::size_t n_sources_ = 0;
  std::int64_t block_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace farthing
