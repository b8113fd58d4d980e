// scaling_laws.h - expected loss of a model after so many tokens, by published laws and by own
// runs.
//
//   Chinchilla form   L = E + A / N^alpha + B / D^beta            nats per token
//   Kaplan            L = ((Nc / N)^(aN / aD) + Dc / D)^aD
//   fine-grained MoE  L = c + (g / G^gamma + a) / N^alpha + b / D^beta
//   repeated data     D of the law becomes U + U R* (1 - e^(-r / R*)), r = D / U - 1 repetitions
//   critical batch    B = B* / L^(1 / a) tokens: twice the fewest steps at twice the fewest tokens
//   DeepSeek          best batch 0.2920 C^0.3271 tokens, best rate 0.3118 C^-0.1250
//
// Every law belongs to its own tokenizer and corpus, so that losses compare within a law only;
// `width` is what it states, or was found to be off, as a share of the loss.  N are parameters
// without embeddings; for a mixture of experts the active ones, which is a poor measure for dense
// laws: a dense law then bounds the loss from above (active) and from below (all).
//
// Source   Kaplan 2020 (2001.08361), table 2; critical batch of its section 1.2, the idea of
//          McCandlish 2018 (1812.06162); Hoffmann 2022 (2203.15556), approach 3, appendix D;
//          Besiroglu 2024 (2404.10102), table 1; Muennighoff 2023 (2305.16264), appendix A;
//          DeepSeek LLM 2024 (2401.02954), equation 1.  Each was found again, with these digits, in
//          independent texts about the paper.  Krajewski 2024 (2402.07871) was not: the output says
//          so.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace farthing {

struct LossQuestion {
  double active_parameters = 0;  // without embeddings
  double total_parameters = 0;   // likewise; equal where the model is dense
  double tokens = 0;
  double unique_tokens = 0;  // 0: all of them
  double granularity = 1;    // intermediate_size / moe_intermediate_size; 1: not fine-grained
  bool is_moe = false;
};

struct ScalingLaw {
  std::string name;
  std::string source;
  double width = 0;  // half the P10-P90 band, share of the loss
  std::string width_source;
  bool for_moe = false;
};

struct ExpectedLoss {
  ScalingLaw law;
  double loss = 0, low = 0, high = 0;  // nats per token; P10 and P90
  std::string remark;                  // what to mistrust about it
};

// One per law that applies, the best suited first.  Errors: Error{kBadInput} unless counts are > 0.
std::vector<ExpectedLoss> expected_losses(const LossQuestion& question);

// Tokens that repeated data is worth (Muennighoff, R* = 15.39).
double effective_tokens(double tokens, double unique_tokens);

struct BatchAdvice {
  double critical_tokens = 0;  // at that loss
  double deepseek_tokens = 0;
  double deepseek_rate = 0;
};
// REQUIRES loss > 0, flops > 0 (training compute, 6ND).
BatchAdvice batch_advice(double loss, double flops);

// E + A/N^alpha + B/D^beta fitted to the user's own runs.
struct OwnRun {
  std::string name;
  double parameters = 0;  // active, without embeddings where known
  double tokens = 0;
  double loss = 0;
};
struct FittedLaw {
  double E = 0, A = 0, alpha = 0, B = 0, beta = 0;
  double rms = 0;    // of the residuals' logarithm
  double width = 0;  // half of P10-P90, from leaving one run out
  int n_runs = 0;
  std::string what_was_fitted =
      {};  // "all five", "E, A, B; exponents of the replication", "E alone"
  double loss(double parameters, double tokens) const;
};
// Besiroglu 2024, the first that expected_losses() has of a dense model.
FittedLaw replicated_law();
// All five constants need six runs with three different sizes and token counts; three runs with two
// each give E, A and B; fewer give E alone.  Least squares of log loss; exponents by search, the
// rest linear and not negative.  Errors: Error{kBadInput} without a run.
FittedLaw fit_law(const std::vector<OwnRun>& runs);

}  // namespace farthing
