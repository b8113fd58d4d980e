// mixture.cpp - integrals of shares in integers, blocks, and a keyed order within each.
#include "data/mixture.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/rng.h"

namespace farthing {
namespace {

constexpr std::int64_t kLeastBlock = 16;               // samples, give or take the sources
constexpr std::int64_t kUnit = std::int64_t{1} << 24;  // a share of 1
constexpr std::int64_t kMostSamples = std::int64_t{1} << 38;

std::vector<std::int64_t> shares_of(const std::vector<double>& weights) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  std::vector<std::int64_t> shares;
  std::int64_t left = kUnit;
  for (const double weight : weights) {
    shares.push_back(
        std::min<std::int64_t>(left, std::llround(weight / sum * static_cast<double>(kUnit))));
    left -= shares.back();
  }
  *std::ranges::max_element(shares) += left;  // what rounding left
  return shares;
}

}  // namespace

Mixture::Mixture(const DataRecipe& data)
    : linear_(data.stage_shape == "linear"), n_sources_(data.sources.size()), seed_(data.seed) {
  CHECK(!data.sources.empty());
  // Quotas are floors: a block has at most n_sources samples fewer than it should.
  block_ = std::max(kLeastBlock, 2 * static_cast<std::int64_t>(n_sources_));
  std::vector<double> weights;
  for (const MixSource& source : data.sources) weights.push_back(source.weight);
  points_.push_back({0, shares_of(weights)});
  for (const MixStage& stage : data.stages) {
    CHECK(stage.weights.size() == n_sources_);
    const double sample = std::ceil(stage.tokens / data.sequence_length);
    const auto at = static_cast<std::int64_t>(std::min(sample, 0x1p38));
    points_.push_back({std::max(at, points_.back().sample), shares_of(stage.weights)});
  }
}

// Every term is a floor that grows with the block, and a finished one stays what it is: the sum
// never falls.
std::int64_t Mixture::quota(std::size_t source, std::int64_t block) const {
  const std::int64_t end = block * block_;
  std::int64_t units = 0;
  for (std::size_t k = 0; k < points_.size() && points_[k].sample < end; ++k) {
    const std::int64_t from = points_[k].share[source];
    const bool last = k + 1 == points_.size();
    const std::int64_t done =
        (last ? end : std::min(end, points_[k + 1].sample)) - points_[k].sample;
    units += from * done;
    if (last || !linear_ || done == 0) continue;
    // integral of (to - from) * t / length over t in [0, done)
    const __int128 length = points_[k + 1].sample - points_[k].sample;
    const __int128 change = points_[k + 1].share[source] - from;
    const __int128 twice = change * done * done;
    // Towards minus infinity, so that a falling share is counted down no later than it falls.
    const __int128 divisor = 2 * length;
    units += static_cast<std::int64_t>(twice >= 0 ? twice / divisor
                                                  : -((-twice + divisor - 1) / divisor));
  }
  return units / kUnit;
}

std::int64_t Mixture::begin_of(std::int64_t block) const {
  std::int64_t sum = 0;
  for (std::size_t source = 0; source < n_sources_; ++source) sum += quota(source, block);
  return sum;
}

// Blocks begin a little before their number times their size, since quotas are floors.
std::int64_t Mixture::block_of(std::int64_t global_sample) const {
  std::int64_t block = global_sample / block_;
  while (begin_of(block + 1) <= global_sample) ++block;
  return block;
}

Mixture::Place Mixture::place(std::int64_t global_sample) const {
  CHECK(global_sample >= 0 && global_sample < kMostSamples);
  const std::int64_t block = block_of(global_sample);
  const std::int64_t begin = begin_of(block), size = begin_of(block + 1) - begin;
  const std::uint64_t key = Rng(seed_, RngStream::kMixture).bits(static_cast<std::uint64_t>(block));
  auto slot = static_cast<std::int64_t>(permute(static_cast<std::uint64_t>(global_sample - begin),
                                                static_cast<std::uint64_t>(size), key));
  for (std::size_t source = 0; source < n_sources_; ++source) {
    const std::int64_t first = quota(source, block), n = quota(source, block + 1) - first;
    if (slot < n) return {static_cast<int>(source), first + slot};
    slot -= n;
  }
  CHECK(false, "a block without room for its samples");
  return {};
}

std::vector<std::int64_t> Mixture::counts(std::int64_t n) const {
  const std::int64_t block = block_of(n);
  std::vector<std::int64_t> counts;
  for (std::size_t source = 0; source < n_sources_; ++source) {
    counts.push_back(quota(source, block));
  }
  for (std::int64_t sample = begin_of(block); sample < n; ++sample) {
    ++counts[static_cast<std::size_t>(place(sample).source)];
  }
  return counts;
}

std::vector<double> Mixture::shares(std::int64_t global_sample) const {
  std::size_t k = 0;
  while (k + 1 < points_.size() && points_[k + 1].sample <= global_sample) ++k;
  double way = 0;
  if (linear_ && k + 1 < points_.size()) {
    way = static_cast<double>(global_sample - points_[k].sample) /
          static_cast<double>(points_[k + 1].sample - points_[k].sample);
  }
  std::vector<double> shares;
  for (std::size_t source = 0; source < n_sources_; ++source) {
    const auto from = static_cast<double>(points_[k].share[source]);
    const double to = way > 0 ? static_cast<double>(points_[k + 1].share[source]) : from;
    shares.push_back((from + way * (to - from)) / static_cast<double>(kUnit));
  }
  return shares;
}

}  // namespace farthing
