// block_time.h - one block (or the head) for one micro-batch on one rank: F, b and W by part.
#pragma once
#include "plan/operations.h"
#include "plan/step_time.h"

namespace farthing {

// Seconds of one phase.  Traffic is whole; what of it is exposed is step_time's business.
struct PhaseTime {
  double attention = 0, core = 0, mlp = 0, experts = 0, head = 0, elementwise = 0;
  double recompute = 0;
  double tp = 0, cp = 0, ep = 0;
  double kernels = 0;         // launched
  double routed_kernels = 0;  // of them, behind a routed block's synchronisation
  double compute() const {
    return attention + core + mlp + experts + head + elementwise + recompute;
  }
  PhaseTime& operator+=(const PhaseTime& other);
  PhaseTime operator*(double factor) const;
};

struct BlockTime {
  PhaseTime forward, backward_input, backward_weight;
  BlockTime& operator+=(const BlockTime& other);
};

class BlockTimer {
 public:
  explicit BlockTimer(const StepTimeRequest& request);
  BlockTime block(bool is_moe) const;
  BlockTime embedding() const;
  BlockTime head() const;  // final norm, logits, loss
  BlockTime mtp() const;   // its projection, block and use of the head

  // The fullest rank's expert rows over the mean, expected over a micro-batch.
  double max_expert_load() const;

 private:
  struct Product {
    double m, n, k;
    NumberFormat format;
    double groups = 1;
  };
  void add_product(BlockTime& time, double PhaseTime::*part, const Product& product) const;
  void add_elementwise(BlockTime& time, double bytes, double kernels) const;
  void add_attention(BlockTime& time) const;
  void add_core(BlockTime& time) const;
  void add_dense_mlp(BlockTime& time, int width, double tokens) const;
  void add_experts(BlockTime& time) const;
  void add_dispatch(BlockTime& time) const;
  void add_tensor_traffic(BlockTime& time, double gathers) const;
  void add_recompute(BlockTime& time) const;

  const StepTimeRequest& request_;
  const ModelShape& shape_;
  const Layout& layout_;
  Operations operations_;
  Links links_;
  double tokens_;        // of a micro-batch on this rank (cp taken out)
  double tokens_split_;  // also over tp, where sequence parallelism splits
};

}  // namespace farthing
