// mlp.cpp - see mlp.h.
#include "model/mlp.h"

#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace farthing {

template <class T>
void Mlp<T>::forward(Matrix<T> h, Matrix<const T> x, const Saved& saved,
                     const Scratch& scratch) const {
  gemm(saved.gate_up, x, gate_up_matrix(weights, ids), {.transpose_b = true});
  swiglu_forward<T>(scratch.act, saved.gate_up);
  gemm(h, scratch.act, weights.matrix(ids.down), {.transpose_b = true, .accumulate = true});
}

template <class T>
void Mlp<T>::backward_input(Matrix<T> dx, Matrix<const T> dh, const Saved& saved,
                            const Gradients& gradients, const Scratch& scratch,
                            bool accumulate) const {
  const Matrix<T> dact = scratch.act;
  gemm(dact, dh, weights.matrix(ids.down));
  swiglu_backward<T>(gradients.dgate_up, dact, saved.gate_up);
  gemm(dx, gradients.dgate_up, gate_up_matrix(weights, ids), {.accumulate = accumulate});
}

template <class T>
void Mlp<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> x,
                             const Saved& saved, const Gradients& gradients,
                             const Scratch& scratch) const {
  swiglu_forward<T>(scratch.act, saved.gate_up);
  gemm(into.matrix(ids.down), dh, scratch.act, {.transpose_a = true, .accumulate = true});
  gemm(gate_up_matrix(into, ids), gradients.dgate_up, x,
       {.transpose_a = true, .accumulate = true});
}

template struct Mlp<float>;
template struct Mlp<double>;

}  // namespace farthing
