// step_time.h - the time of one training step, operation by operation, from rooflines.
//
//   operation   max(FLOPs / (rate(shape) ), bytes / bandwidth) + a kernel's own time
//   stage       its layers' F, b and W; exposed traffic of TP, EP, CP; the host where it is slower
//   pipeline    its schedule acted out (pipeline_time.h)
//   step        (pipeline + gradients that are not hidden + optimizer) (1 + waiting for nodes)
//
// Expert imbalance is a distribution: a rank with n experts and m rows a step waits for the
// fullest of its group; forced balance is an input and is said.
//
// Pure     no clock, no file, no global; about 20 us a call, and 50 ns an operation of the
// pipeline.
#pragma once
#include <string>
#include <vector>

#include "plan/constants.h"
#include "plan/layout.h"
#include "plan/software.h"
#include "plan/step_timeline.h"

namespace farthing {

struct StepTimeRequest {
  ModelShape model;
  Cluster cluster;
  Layout layout;
  BatchShape batch;
  Software software;
  Constants constants;
  bool whole_pipeline = true;  // false: its steady state continued, for searches
};

// Where the step's seconds go on the mean rank; they add up to step_seconds.
struct StepParts {
  double attention = 0;  // projections
  double attention_core = 0;
  double mlp = 0;  // dense and shared
  double experts = 0;
  double head = 0;
  double elementwise = 0;  // norms, activations, casts, permutes, router
  double recompute = 0;
  double host = 0;  // waiting for the host to launch
  double tp_exposed = 0, cp_exposed = 0, ep_exposed = 0;
  double imbalance = 0;  // waiting for the fullest expert
  double bubble = 0;     // idle between the pipeline's first and last operation
  double dp_exposed = 0;
  double optimizer = 0;
  double waiting = 0;  // for the slowest of many nodes
  double total() const {
    return attention + attention_core + mlp + experts + head + elementwise + recompute + host +
           tp_exposed + cp_exposed + ep_exposed + imbalance + bubble + dp_exposed + optimizer +
           waiting;
  }
};

struct StepTime {
  double step_seconds = 0;
  StepParts parts;
  StepCosts costs;                        // what the pipeline was acted out with
  double jitter = 0;                      // of its ranks: even_slowdown()
  double bubble_share = 0;                // parts.bubble of the step
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
