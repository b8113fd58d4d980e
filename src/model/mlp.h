// mlp.h - the SwiGLU of dense layers and of the shared experts.
//
//   h += W_down (silu(W_gate x) * W_up x),   gate_up = x [W_gate; W_up]^T
//
// Shapes   x dx h dh [n_tokens, hidden_size]   gate_up dgate_up [n_tokens, 2 width]
// Cost     saved: 2 width values a token, in the format of Keep; the activation is recomputed by
//          backward_weight, unless Recompute::kNone keeps it.
#pragma once
#include "base/arena.h"
#include "model/ids.h"
#include "model/recompute.h"

namespace farthing {

template <class T>
struct Mlp {
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, int width, int n_tokens, Keep keep)
        : gate_up(arena, n_tokens, 2 * width, keep.cached) {
      if (keep.recompute == Recompute::kNone) act = arena.matrix<T>(n_tokens, width);
    }
    Kept<T> gate_up;
    Matrix<T> act;  // with Recompute::kNone alone
  };
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, int width, int n_tokens, Keep keep)
        : act(arena.matrix<T>(n_tokens, width)),
          gate_up(Kept<T>::scratch(arena, n_tokens, 2 * width, keep.cached)) {}
    Matrix<T> act;
    Matrix<T> gate_up;  // of Kept
  };
  struct Gradients {
    Gradients() = default;
    Gradients(Arena& arena, int width, int n_tokens)
        : dgate_up(arena.matrix<T>(n_tokens, 2 * width)) {}
    Matrix<T> dgate_up;
  };

  const MlpIds& ids;
  const ParameterStore<T>& weights;

  // Adds into h.
  void forward(Matrix<T> h, Matrix<const T> x, const Saved& saved, const Scratch& scratch) const;
  // Writes dx, or adds into it; writes gradients.
  void backward_input(Matrix<T> dx, Matrix<const T> dh, const Saved& saved,
                      const Gradients& gradients, const Scratch& scratch, bool accumulate) const;
  // Adds into `into`.
  void backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> x,
                       const Saved& saved, const Gradients& gradients,
                       const Scratch& scratch) const;
};

}  // namespace farthing
