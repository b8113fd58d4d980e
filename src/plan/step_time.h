// step_time.h - the time of one training step, operation by operation, from rooflines.
//
//   operation   max(FLOPs / (rate(shape) ), bytes / bandwidth) + a kernel's own time
//   stage       its layers' F, b and W; exposed traffic of TP, EP, CP; the host where it is slower
//   pipeline    closed formulas: 1F1B (p-1)(F+B); interleaved that / vp; ZB1P (p-1)(F+B-2W);
//               DualPipe (p/2-1)(F&B + B - 3W); stages of unequal length by their sum
//   step        pipeline + gradients that are not hidden + optimizer
//
// Expert imbalance is a distribution: a rank with n experts and m rows a step waits for the
// fullest of its group; forced balance is an input and is said.
//
// Source   schedules: DeepSeek-V3 report, table 2; Qi et al. 2024; Narayanan et al. 2021.
// Pure     no clock, no file, no global; about 20 us a call.
#pragma once
#include <string>
#include <vector>

#include "plan/constants.h"
#include "plan/layout.h"
#include "plan/software.h"

namespace farthing {

struct StepTimeRequest {
  ModelShape model;
  Cluster cluster;
  Layout layout;
  BatchShape batch;
  Software software;
  Constants constants;
};

// One chunk of a stage for one micro-batch, seconds; what the event simulator executes.
struct StageTime {
  double forward = 0;
  double backward_input = 0;
  double backward_weight = 0;
  double recompute = 0;  // runs before the backward pass, contained in backward_input
  double send = 0;       // activations to the next stage
  double backward() const { return backward_input + backward_weight; }
  double total() const { return forward + backward(); }
};

// Where the step's seconds go on the slowest rank; they add up to step_seconds.
struct StepParts {
  double attention = 0;  // projections
  double attention_core = 0;
  double mlp = 0;  // dense and shared
  double experts = 0;
  double head = 0;
  double elementwise = 0;  // norms, activations, casts, permutes, router
  double recompute = 0;
  double host = 0;  // waiting for the host to launch
  double tp_exposed = 0, cp_exposed = 0, ep_exposed = 0, pp_exposed = 0;
  double imbalance = 0;  // waiting for the fullest expert
  double bubble = 0;
  double dp_exposed = 0;
  double optimizer = 0;
  double total() const {
    return attention + attention_core + mlp + experts + head + elementwise + recompute + host +
           tp_exposed + cp_exposed + ep_exposed + pp_exposed + imbalance + bubble + dp_exposed +
           optimizer;
  }
};

struct StepTime {
  double step_seconds = 0;
  StepParts parts;
  std::vector<StageTime> stages;          // pp of them; one chunk each is that divided by vp
  double paired_seconds = 0;              // F of one micro-batch beside B of another, where paired
  double bubble_share = 0;                // of the step
  double hidden_communication_share = 0;  // of all traffic
  double max_expert_load = 1;             // fullest rank / mean
  double tokens_per_second = 0;           // whole cluster
  double tokens_per_second_per_device = 0;
  double model_flops_per_second_per_device = 0;
  double mfu = 0;  // causal model FLOPs / BF16 peak
};

// REQUIRES a layout that validate() finds nothing against.
StepTime step_time(const StepTimeRequest& request);

}  // namespace farthing
