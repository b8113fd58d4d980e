// linear.h - the three products of a linear layer y = x W^T, in the weights' number format.
//
//   forward          y  = x W^T     x in tiles along its width, W in blocks
//   backward_input   dx = dy W      dy in tiles along its width, W in the same blocks
//   backward_weight  dW += dy^T x   both in tiles along the tokens
//
// The format is that of Matmul, which the store of the weights points to; a store without one is
// FP32.  Routers are always FP32, and the embedding is a look-up; the head has a format of its own.
//
// Source   DeepSeek-V3 report, section 3.3 and figure 6.
// Shapes   x dx [n, in]   y dy [n, out]   W [out, in]
// Exact    As kernels/gemm.h: the same bits for any number of threads, packed before or not.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "kernels/gemm.h"
#include "model/ids.h"
#include "model/parameters.h"

namespace farthing {

// A weight by the id of its entry; with `and_next` the two entries that follow each other are one
// matrix (gate and up; its blocks are counted from gate's first row).
struct LinearWeight {
  int id = -1;
  bool and_next = false;
  LinearWeight(int entry, bool with_next = false) : id(entry), and_next(with_next) {}
};
inline LinearWeight gate_up_weight(const MlpIds& ids) { return {ids.gate, true}; }

template <class T>
Matrix<T> weight_matrix(const ParameterStore<T>& store, LinearWeight weight) {
  const Matrix<T> first = store.matrix(weight.id);
  return weight.and_next ? Matrix<T>(first.data, 2 * first.n_rows, first.n_cols) : first;
}

// Packed copies of a store's weights, by entry and direction; made anew after every update.
//   kBoth   of W^T for forward and of W for backward_input
//   kOne    of W^T alone: half the memory, backward_input packs as it goes
//   kNone   none
enum class PackedCopies { kNone, kOne, kBoth };

class PackedWeights;

// The products of a linear layer, Fprop, Dgrad and Wgrad of the report.
enum class LinearProduct { kForward, kInput, kWeight };

// How the products with a store's weights are computed.
struct Matmul {
  MatmulFormat format = MatmulFormat::kFp32;
  std::optional<LinearProduct> fp32_product = {};  // that stays in FP32 all the same
  MatmulFormat head = MatmulFormat::kFp32;
  MatmulFormat attention = MatmulFormat::kFp32;  // kFp32, kBf16 or kFp16
  int promotion_interval = kPromotionIntervals[0];
  const PackedWeights* packed = nullptr;
};

class PackedWeights {
 public:
  PackedWeights(Arena& arena, const ParameterTable& table, const ModelIds& ids,
                const Matmul& matmul, PackedCopies copies);
  // Of every matrix, from weights of the same table.
  void refresh(const ParameterStore<float>& weights) const;
  const float* forward(int id) const { return begin(forward_, id); }
  const float* backward(int id) const { return begin(backward_, id); }

 private:
  struct Entry {
    LinearWeight weight;
    MatmulFormat forward, backward;
  };
  using Copies = std::vector<std::span<float>>;
  void add(Arena& arena, const ParameterTable& table, const Entry& entry, PackedCopies copies);
  static const float* begin(const Copies& copies, int id) {
    const auto i = static_cast<std::size_t>(id);
    return i < copies.size() && !copies[i].empty() ? copies[i].data() : nullptr;
  }

  std::vector<Entry> entries_;
  Copies forward_, backward_;  // by id, empty where there is none
};

// Rounded in blocks: what op(B) = W^T or W is.
template <class T>
GemmOptions forward_options(const ParameterStore<T>& weights, int id);
template <class T>
GemmOptions backward_input_options(const ParameterStore<T>& weights, int id);
template <class T>
GemmOptions backward_weight_options(const ParameterStore<T>& weights, int id, bool accumulate);

// For grouped products: y and dx are written (or added into, with the options' accumulate).
template <class T>
GemmProblem<T> forward_problem(Matrix<T> y, Matrix<const T> x, const ParameterStore<T>& weights,
                               LinearWeight weight);
template <class T>
GemmProblem<T> backward_input_problem(Matrix<T> dx, Matrix<const T> dy,
                                      const ParameterStore<T>& weights, LinearWeight weight);

template <class T>
void linear_forward(Matrix<T> y, Matrix<const T> x, const ParameterStore<T>& weights,
                    LinearWeight weight, bool accumulate = false, const RowsDone& done = {});
template <class T>
void linear_backward_input(Matrix<T> dx, Matrix<const T> dy, const ParameterStore<T>& weights,
                           LinearWeight weight, bool accumulate = false, const RowsDone& done = {});
// Adds into `into`, or writes it where it is fresh; `weights` says the format alone.
template <class T>
void linear_backward_weight(const ParameterStore<T>& into, Matrix<const T> dy, Matrix<const T> x,
                            const ParameterStore<T>& weights, LinearWeight weight);

}  // namespace farthing
