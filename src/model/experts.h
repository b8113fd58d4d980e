// experts.h - the routed experts' SwiGLUs over rows ordered by expert, as grouped products.
//
//   y_r = W_down,e (silu(W_gate,e x_r) * W_up,e x_r)          for the rows r of expert e
//   backward:  a row's weight w_r is on its output, h_t += w_r y_r.  y is not kept:
//              G_r = d loss / d w_r = <W_down,e^T dh_t, act_r>,   dact_r = w_r W_down,e^T dh_t
//
// Shapes   rows [n_tokens * top_k, hidden_size], assignments ordered by Routing
// Cost     saved: 2 moe_intermediate_size values a row, in the format of Keep.
// Exact    Each row's products are independent of how many other rows there are.
#pragma once
#include <functional>

#include "base/arena.h"
#include "config/model_config.h"
#include "kernels/gemm.h"
#include "model/ids.h"
#include "model/recompute.h"
#include "model/routing.h"

namespace farthing {

template <class T>
struct Experts {
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep = {});
    Kept<T> gate_up;  // [n_rows, 2 width]
    Matrix<T> act;    // [n_rows, width], with Recompute::kNone alone
  };
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep = {});
    Matrix<T> rows;                      // [n_rows, hidden_size]
    Matrix<T> act;                       // [n_rows, width]
    Matrix<T> gate_up;                   // of Kept
    std::span<GemmProblem<T>> problems;  // [n_routed_experts]
  };
  struct BackwardScratch {
    BackwardScratch() = default;
    BackwardScratch(Arena& arena, const ModelConfig& config, int n_tokens);
    Matrix<T> dact;     // [n_rows, width]
    Matrix<T> dweight;  // [n_tokens, top_k]
  };
  struct Gradients {
    Gradients() = default;
    Gradients(Arena& arena, const ModelConfig& config, int n_tokens);
    Matrix<T> dgate_up;
  };

  const std::vector<MlpIds>& ids;  // by expert
  const ParameterStore<T>& weights;

  // x, dh [n_tokens, hidden_size]: a row's are those of its token.  Writes y into scratch.rows.
  void forward(Matrix<const T> x, const Routing<T>& routing, const Saved& saved,
               const Scratch& scratch) const;
  // Writes each row's dx into scratch.rows, backward.dweight and gradients.
  void backward_input(Matrix<const T> dh, const Routing<T>& routing, const Saved& saved,
                      const Gradients& gradients, const Scratch& scratch,
                      const BackwardScratch& backward) const;
  // Adds into `into`.
  void backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> x,
                       const Routing<T>& routing, const Saved& saved, const Gradients& gradients,
                       const Scratch& scratch) const;

 private:
  // An expert's rows.
  struct Rows {
    int first, count;
    const std::int32_t* tokens;  // [count]
    Matrix<T> of(Matrix<T> rows) const { return rows.rows(first, count); }
    // What `tokens` then choose from.
    Matrix<const T> chosen_of(Matrix<const T> x) const {
      return {x.data, count, x.n_cols, x.stride};
    }
  };
  // One product an expert: problem(expert's ids, its Rows), and done(first row, how many) for rows
  // that are complete.
  template <class Problem>
  void grouped(const Routing<T>& routing, const Scratch& scratch, GemmOptions options,
               Problem problem, const std::function<void(int first, int count)>& done = {}) const;
};

}  // namespace farthing
