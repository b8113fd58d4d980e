// scaling_laws.cpp - the formulas with their constants, and the fit.
#include "simulate/scaling_laws.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"

namespace farthing {
namespace {

// Besiroglu et al. 2024, table 1.
constexpr double kE = 1.8172, kA = 482.01, kAlpha = 0.3478, kB = 2085.43, kBeta = 0.3658;

double chinchilla(double n, double d, const std::array<double, 5>& c) {
  return c[0] + c[1] / std::pow(n, c[2]) + c[3] / std::pow(d, c[4]);
}

double kaplan(double n, double d) {
  constexpr double kNc = 6.4e13, kDc = 1.8e13, kAn = 0.076, kAd = 0.103;
  return std::pow(std::pow(kNc / n, kAn / kAd) + kDc / d, kAd);
}

double fine_grained(double n, double d, double granularity) {
  constexpr double kC = 0.47, kG = 2.1, kGamma = 0.58, kSmallA = 18.1, kN = 0.115, kSmallB = 30.8,
                   kD = 0.147;
  return kC + (kG / std::pow(granularity, kGamma) + kSmallA) / std::pow(n, kN) +
         kSmallB / std::pow(d, kD);
}

ExpectedLoss around(ScalingLaw law, double loss, std::string remark) {
  const double low = loss * (1 - law.width), high = loss * (1 + law.width);
  return {std::move(law), loss, low, high, std::move(remark)};
}

// A dense law asked about experts: between the active and all parameters, P10 to P90 including
// both.
template <class Law>
ExpectedLoss dense_law(ScalingLaw law, const LossQuestion& q, Law&& loss_of) {
  const double with_active = loss_of(q.active_parameters);
  if (!q.is_moe) return around(std::move(law), with_active, "");
  const double with_all = loss_of(q.total_parameters);
  const double low = with_all * (1 - law.width), high = with_active * (1 + law.width);
  return {std::move(law), std::sqrt(with_active * with_all), low, high,
          "a law of dense models: between active and all parameters"};
}

// Weighted least squares of loss = E + A x + B y; weights 1 / loss make it relative.  Constants
// that would be negative are set to zero and the rest solved again.
struct Linear {
  double E = 0, A = 0, B = 0;
  double squares = std::numeric_limits<double>::infinity();
};

bool solve(std::array<std::array<double, 4>, 3> m, const std::array<bool, 3>& used,
           std::array<double, 3>& x) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (used[i]) continue;
    for (std::size_t j = 0; j < 3; ++j) m[i][j] = m[j][i] = 0;
    m[i][i] = 1;
    m[i][3] = 0;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i + 1; r < 3; ++r) {
      if (std::abs(m[r][i]) > std::abs(m[pivot][i])) pivot = r;
    }
    std::swap(m[i], m[pivot]);
    if (std::abs(m[i][i]) < 1e-13) return false;
    for (std::size_t r = 0; r < 3; ++r) {
      if (r == i) continue;
      const double factor = m[r][i] / m[i][i];
      for (std::size_t c = i; c < 4; ++c) m[r][c] -= factor * m[i][c];
    }
  }
  for (std::size_t i = 0; i < 3; ++i) x[i] = m[i][3] / m[i][i];
  return true;
}

Linear fit_linear(const std::vector<OwnRun>& runs, double alpha, double beta) {
  // Columns scaled to about one, so that the normal equations stay well conditioned.
  const double n0 = runs.front().parameters, d0 = runs.front().tokens;
  std::array<std::array<double, 4>, 3> normal{};
  for (const OwnRun& run : runs) {
    const std::array<double, 3> row = {1 / run.loss,
                                       std::pow(run.parameters / n0, -alpha) / run.loss,
                                       std::pow(run.tokens / d0, -beta) / run.loss};
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) normal[i][j] += row[i] * row[j];
      normal[i][3] += row[i];
    }
  }
  Linear best;
  for (int mask = 1; mask < 8; ++mask) {
    const std::array<bool, 3> used = {(mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0};
    std::array<double, 3> x{};
    if (!solve(normal, used, x) || x[0] < 0 || x[1] < 0 || x[2] < 0) continue;
    double squares = 0;
    for (const OwnRun& run : runs) {
      const double loss = x[0] + x[1] * std::pow(run.parameters / n0, -alpha) +
                          x[2] * std::pow(run.tokens / d0, -beta);
      squares += loss > 0 ? std::pow(std::log(loss / run.loss), 2) : 1e9;
    }
    if (squares < best.squares) {
      best = {x[0], x[1] * std::pow(n0, alpha), x[2] * std::pow(d0, beta), squares};
    }
  }
  return best;
}

// from, from + step, ... up to and with `to`.
std::vector<double> grid(double from, double to, double step) {
  const int n = 1 + static_cast<int>(std::floor((to - from) / step + 1e-6));
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) values.push_back(from + i * step);
  return values;
}

FittedLaw fit_exponents(const std::vector<OwnRun>& runs) {
  FittedLaw law;
  double best = std::numeric_limits<double>::infinity(), step = 0.05;
  double alpha_from = 0.05, alpha_to = 1, beta_from = 0.05, beta_to = 1;
  for (int round = 0; round < 4; ++round) {  // coarse, then finer around the best
    for (const double alpha : grid(alpha_from, alpha_to, step)) {
      for (const double beta : grid(beta_from, beta_to, step)) {
        const Linear linear = fit_linear(runs, alpha, beta);
        if (linear.squares >= best) continue;
        best = linear.squares;
        law = {linear.E, linear.A, alpha, linear.B, beta};
      }
    }
    alpha_from = std::max(0.01, law.alpha - step);
    alpha_to = law.alpha + step;
    beta_from = std::max(0.01, law.beta - step);
    beta_to = law.beta + step;
    step /= 5;
  }
  law.what_was_fitted = "all five constants";
  return law;
}

FittedLaw fit_once(const std::vector<OwnRun>& runs) {
  std::set<double> sizes, tokens;
  for (const OwnRun& run : runs) {
    sizes.insert(run.parameters);
    tokens.insert(run.tokens);
  }
  if (runs.size() >= 6 && sizes.size() >= 3 && tokens.size() >= 3) return fit_exponents(runs);
  if (runs.size() >= 3 && sizes.size() >= 2 && tokens.size() >= 2) {
    const Linear linear = fit_linear(runs, kAlpha, kBeta);
    FittedLaw law{linear.E, linear.A, kAlpha, linear.B, kBeta};
    law.what_was_fitted = "E, A and B; exponents of Besiroglu et al. 2024";
    return law;
  }
  double shift = 0;
  for (const OwnRun& run : runs) {
    shift += run.loss - chinchilla(run.parameters, run.tokens, {kE, kA, kAlpha, kB, kBeta});
  }
  FittedLaw law{kE + shift / static_cast<double>(runs.size()), kA, kAlpha, kB, kBeta};
  law.what_was_fitted = "E alone; the rest of Besiroglu et al. 2024";
  return law;
}

}  // namespace

FittedLaw replicated_law() { return {.E = kE, .A = kA, .alpha = kAlpha, .B = kB, .beta = kBeta}; }

double effective_tokens(double tokens, double unique_tokens) {
  constexpr double kRepeats = 15.387756;
  if (!(unique_tokens > 0) || tokens <= unique_tokens) return tokens;
  const double repeats = tokens / unique_tokens - 1;
  return unique_tokens * (1 + kRepeats * (1 - std::exp(-repeats / kRepeats)));
}

std::vector<ExpectedLoss> expected_losses(const LossQuestion& q) {
  if (!(q.active_parameters > 0) || !(q.tokens > 0) || !(q.total_parameters > 0)) {
    throw_bad_input({"expected loss", "parameters and tokens", "none", "numbers above 0", ""});
  }
  const double d = effective_tokens(q.tokens, q.unique_tokens);
  std::vector<ExpectedLoss> all;
  if (q.is_moe) {
    all.push_back(
        around({"Krajewski 2024, fine-grained experts", "arXiv:2402.07871; constants not verified",
                0.05, "assumed: fitted up to 3.7B parameters, 64-fold expansion", true},
               fine_grained(q.active_parameters, d, std::max(1.0, q.granularity)),
               "fitted at 64-fold expansion; extrapolated beyond 3.7B"));
  }
  all.push_back(dense_law({"Besiroglu 2024, replication of Hoffmann", "arXiv:2404.10102, table 1",
                           0.04, "bootstrap of its constants: E 1.82 +- 0.03, and the residuals"},
                          q, [&](double n) {
                            return chinchilla(n, d, {kE, kA, kAlpha, kB, kBeta});
                          }));
  all.push_back(dense_law({"Hoffmann 2022, approach 3", "arXiv:2203.15556, appendix D", 0.08,
                           "off by 7 % at large scale against its replication"},
                          q, [&](double n) {
                            return chinchilla(n, d, {1.69, 406.4, 0.34, 410.7, 0.28});
                          }));
  all.push_back(dense_law({"Muennighoff 2023, limited data", "arXiv:2305.16264, appendix A", 0.06,
                           "assumed: another corpus than Hoffmann's"},
                          q, [&](double n) {
                            return chinchilla(n, d, {1.87, 521, 0.353, 1488, 0.353});
                          }));
  all.push_back(dense_law({"Kaplan 2020", "arXiv:2001.08361, table 2", 0.10,
                           "no irreducible loss: too low at large scale"},
                          q, [&](double n) { return kaplan(n, d); }));
  return all;
}

BatchAdvice batch_advice(double loss, double flops) {
  constexpr double kBatch = 2e8, kPower = 0.21;
  return {.critical_tokens = kBatch / std::pow(loss, 1 / kPower),
          .deepseek_tokens = 0.2920 * std::pow(flops, 0.3271),
          .deepseek_rate = 0.3118 * std::pow(flops, -0.1250)};
}

double FittedLaw::loss(double parameters, double tokens) const {
  return E + A / std::pow(parameters, alpha) + B / std::pow(tokens, beta);
}

FittedLaw fit_law(const std::vector<OwnRun>& runs) {
  for (const OwnRun& run : runs) {
    if (run.parameters > 0 && run.tokens > 0 && run.loss > 0 && std::isfinite(run.loss)) continue;
    throw_bad_input({run.name, "a run to fit", "no parameters, tokens or loss", "all three", ""});
  }
  if (runs.empty()) {
    throw_bad_input({"--from-runs", "runs to fit", "none with a loss", "at least one", ""});
  }
  FittedLaw law = fit_once(runs);
  law.n_runs = static_cast<int>(runs.size());
  double squares = 0, left_out = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    squares += std::pow(std::log(law.loss(runs[i].parameters, runs[i].tokens) / runs[i].loss), 2);
    if (runs.size() < 4) continue;
    std::vector<OwnRun> others = runs;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    const double loss = fit_once(others).loss(runs[i].parameters, runs[i].tokens);
    left_out += std::pow(std::log(loss / runs[i].loss), 2);
  }
  const auto n = static_cast<double>(runs.size());
  law.rms = std::sqrt(squares / n);
  // Too few to leave one out: the replication's own width.
  law.width = runs.size() < 4 ? 0.04 : 1.2816 * std::sqrt(left_out / n);
  return law;
}

}  // namespace farthing
