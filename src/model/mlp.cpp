// mlp.cpp - see mlp.h.
#include "model/mlp.h"

#include "kernels/elementwise.h"
#include "model/linear.h"

namespace farthing {

template <class T>
void Mlp<T>::forward(Matrix<T> h, Matrix<const T> x, const Saved& saved,
                     const Scratch& scratch) const {
  const Matrix<T> gate_up = saved.gate_up.place(scratch.gate_up);
  const Matrix<T> act = saved.act.n_rows > 0 ? saved.act : scratch.act;
  linear_forward<T>(
      gate_up, x, weights, gate_up_weight(ids), /*accumulate=*/false, [&](int, int begin, int end) {
        swiglu_forward<T>(act.rows(begin, end - begin), gate_up.rows(begin, end - begin));
        saved.gate_up.keep(gate_up, begin, end - begin);
      });
  linear_forward<T>(h, act, weights, ids.down, /*accumulate=*/true);
}

template <class T>
void Mlp<T>::backward_input(Matrix<T> dx, Matrix<const T> dh, const Saved& saved,
                            const Gradients& gradients, const Scratch& scratch,
                            bool accumulate) const {
  const Matrix<T> dact = scratch.act;
  const Matrix<T> gate_up = saved.gate_up.place(scratch.gate_up);
  linear_backward_input<T>(dact, dh, weights, ids.down, /*accumulate=*/false,
                           [&](int, int begin, int end) {
                             const int n = end - begin;
                             saved.gate_up.restore(gate_up, begin, n);
                             swiglu_backward<T>(gradients.dgate_up.rows(begin, n),
                                                dact.rows(begin, n), gate_up.rows(begin, n));
                           });
  linear_backward_input<T>(dx, gradients.dgate_up, weights, gate_up_weight(ids), accumulate);
}

template <class T>
void Mlp<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> x,
                             const Saved& saved, const Gradients& gradients,
                             const Scratch& scratch) const {
  const bool kept = saved.act.n_rows > 0;
  if (!kept) swiglu_forward<T>(scratch.act, saved.gate_up.restored(scratch.gate_up));
  linear_backward_weight<T>(into, dh, kept ? saved.act : scratch.act, weights, ids.down);
  linear_backward_weight<T>(into, gradients.dgate_up, x, weights, gate_up_weight(ids));
}

template struct Mlp<float>;
template struct Mlp<double>;

}  // namespace farthing
