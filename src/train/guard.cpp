// guard.cpp - non-finite losses and gradients, and losses far above the recent ones.
#include "train/guard.h"

#include <fmt/core.h>

#include <cmath>

namespace farthing {
namespace {

constexpr double kMemory = 0.98;  // of the running mean: about 50 steps
constexpr std::int64_t kLossesBeforeJudging = 50;

}  // namespace

void LossStatistics::add(double loss) {
  if (n_losses++ == 0) {
    mean = loss;
    return;
  }
  const double distance = loss - mean;
  mean += (1 - kMemory) * distance;
  variance = kMemory * (variance + (1 - kMemory) * distance * distance);
}

double LossStatistics::deviation() const { return std::sqrt(variance); }

std::string guard_verdict(const GuardRecipe& guard, const LossStatistics& statistics, double loss,
                          double gradient_norm) {
  if (guard.stop_on_nonfinite && !std::isfinite(loss)) return fmt::format("loss is {}", loss);
  if (!std::isfinite(gradient_norm)) return fmt::format("gradient norm is {}", gradient_norm);
  if (guard.max_loss_spike <= 0 || statistics.n_losses < kLossesBeforeJudging) return "";
  const double limit = statistics.mean + guard.max_loss_spike * statistics.deviation();
  if (loss <= limit) return "";
  return fmt::format("loss {:.4f} is above {:.4f} = mean {:.4f} + {} deviations", loss, limit,
                     statistics.mean, guard.max_loss_spike);
}

}  // namespace farthing
