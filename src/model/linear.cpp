// linear.cpp - see linear.h.
#include "model/linear.h"

namespace farthing {
namespace {

MatmulFormat format_of(const Matmul& matmul, Role role, LinearProduct product) {
  switch (role) {
    case Role::kMatrix:
      return matmul.fp32_product == product ? MatmulFormat::kFp32 : matmul.format;
    case Role::kHead:
    case Role::kEmbedding:
      return matmul.head;  // the embedding as a head, where they are tied
    default:
      return MatmulFormat::kFp32;
  }
}

template <class T>
MatmulFormat format_of(const ParameterStore<T>& weights, int id, LinearProduct product) {
  return weights.matmul == nullptr ? MatmulFormat::kFp32
                                   : format_of(*weights.matmul, (*weights.table)[id].role, product);
}

template <class T>
const PackedWeights* packed_of(const ParameterStore<T>& weights) {
  return weights.matmul == nullptr ? nullptr : weights.matmul->packed;
}

template <class T>
int promotion_interval(const ParameterStore<T>& weights) {
  return weights.matmul == nullptr ? kPromotionIntervals[0] : weights.matmul->promotion_interval;
}

// Logits are read back by a softmax that works on few rows at a time; what else is large enough has
// left the caches before all of it is written, whoever reads it.
bool leaves_caches(Role role) { return role != Role::kHead && role != Role::kEmbedding; }

GemmOptions weight_options(MatmulFormat format, bool transposed) {
  return {.transpose_b = transposed, .format = format, .b_tile = TileShape::kBlock};
}

template <class T>
GemmOptions weight_options(const ParameterStore<T>& weights, int id, LinearProduct product) {
  const bool transposed = product == LinearProduct::kForward;
  GemmOptions options = weight_options(format_of(weights, id, product), transposed);
  options.promotion_interval = promotion_interval(weights);
  options.past_caches = leaves_caches((*weights.table)[id].role);
  return options;
}

}  // namespace

PackedWeights::PackedWeights(Arena& arena, const ParameterTable& table, const ModelIds& ids,
                             const Matmul& matmul, PackedCopies copies) {
  const auto add_one = [&](LinearWeight weight) {
    if (weight.id < 0) return;
    const Role role = table[weight.id].role;
    add(arena, table,
        {weight, format_of(matmul, role, LinearProduct::kForward),
         format_of(matmul, role, LinearProduct::kInput)},
        copies);
  };
  const auto add_mlp = [&](const MlpIds& mlp) {
    if (mlp.gate < 0) return;
    add_one(gate_up_weight(mlp));
    add_one(mlp.down);
  };
  forward_.resize(static_cast<std::size_t>(table.size()));
  backward_.resize(static_cast<std::size_t>(table.size()));
  if (copies == PackedCopies::kNone) return;
  for (const BlockIds& block : ids.blocks) {
    for (const int id : {block.mla.q_a, block.mla.q, block.mla.kv_a, block.mla.kv_b, block.mla.o}) {
      add_one(id);
    }
    add_mlp(block.dense);
    for (const MlpIds& expert : block.experts) add_mlp(expert);
    add_mlp(block.shared);
    add_one(block.router.weight);
  }
  for (const MtpIds& mtp : ids.mtp) add_one(mtp.projection);
  add_one(ids.head);
}

void PackedWeights::add(Arena& arena, const ParameterTable& table, const Entry& entry,
                        PackedCopies copies) {
  const auto id = static_cast<std::size_t>(entry.weight.id);
  const Parameter& p = table[entry.weight.id];
  const int n_out = entry.weight.and_next ? 2 * p.n_rows : p.n_rows;
  entries_.push_back(entry);
  forward_[id] = arena.array<float>(packed_size(n_out, p.n_cols, entry.forward));
  if (copies == PackedCopies::kOne) return;
  backward_[id] = arena.array<float>(packed_size(p.n_cols, n_out, entry.backward));
}

void PackedWeights::refresh(const ParameterStore<float>& weights) const {
  std::vector<PackRequest> requests;
  requests.reserve(2 * entries_.size());
  for (const Entry& entry : entries_) {
    const auto id = static_cast<std::size_t>(entry.weight.id);
    const Matrix<float> matrix = weight_matrix(weights, entry.weight);
    requests.push_back({forward_[id].data(), matrix, weight_options(entry.forward, true)});
    if (backward_[id].empty()) continue;
    requests.push_back({backward_[id].data(), matrix, weight_options(entry.backward, false)});
  }
  pack_b(requests);
}

template <class T>
GemmOptions forward_options(const ParameterStore<T>& weights, int id) {
  return weight_options(weights, id, LinearProduct::kForward);
}

template <class T>
GemmOptions backward_input_options(const ParameterStore<T>& weights, int id) {
  return weight_options(weights, id, LinearProduct::kInput);
}

template <class T>
GemmOptions backward_weight_options(const ParameterStore<T>& weights, int id, bool accumulate) {
  return {.transpose_a = true,
          .accumulate = accumulate,
          .format = format_of(weights, id, LinearProduct::kWeight),
          .promotion_interval = promotion_interval(weights),
          .past_caches = leaves_caches((*weights.table)[id].role)};
}

template <class T>
GemmProblem<T> forward_problem(Matrix<T> y, Matrix<const T> x, const ParameterStore<T>& weights,
                               LinearWeight weight) {
  const PackedWeights* packed = packed_of(weights);
  return {y, x, weight_matrix(weights, weight), packed ? packed->forward(weight.id) : nullptr};
}

template <class T>
GemmProblem<T> backward_input_problem(Matrix<T> dx, Matrix<const T> dy,
                                      const ParameterStore<T>& weights, LinearWeight weight) {
  const PackedWeights* packed = packed_of(weights);
  return {dx, dy, weight_matrix(weights, weight), packed ? packed->backward(weight.id) : nullptr};
}

template <class T>
void linear_forward(Matrix<T> y, Matrix<const T> x, const ParameterStore<T>& weights,
                    LinearWeight weight, bool accumulate, const RowsDone& done) {
  GemmOptions options = forward_options(weights, weight.id);
  options.accumulate = accumulate;
  const GemmProblem<T> problem = forward_problem(y, x, weights, weight);
  gemm_grouped(std::span<const GemmProblem<T>>(&problem, 1), options, done);
}

template <class T>
void linear_backward_input(Matrix<T> dx, Matrix<const T> dy, const ParameterStore<T>& weights,
                           LinearWeight weight, bool accumulate, const RowsDone& done) {
  GemmOptions options = backward_input_options(weights, weight.id);
  options.accumulate = accumulate;
  const GemmProblem<T> problem = backward_input_problem(dx, dy, weights, weight);
  gemm_grouped(std::span<const GemmProblem<T>>(&problem, 1), options, done);
}

template <class T>
void linear_backward_weight(const ParameterStore<T>& into, Matrix<const T> dy, Matrix<const T> x,
                            const ParameterStore<T>& weights, LinearWeight weight) {
  gemm(weight_matrix(into, weight), dy, x,
       backward_weight_options(weights, weight.id, !into.is_fresh));
}

#define FARTHING_INSTANTIATE(T)                                                                    \
  template GemmOptions forward_options(const ParameterStore<T>&, int);                             \
  template GemmOptions backward_input_options(const ParameterStore<T>&, int);                      \
  template GemmOptions backward_weight_options(const ParameterStore<T>&, int, bool);               \
  template GemmProblem<T> forward_problem(Matrix<T>, Matrix<const T>, const ParameterStore<T>&,    \
                                          LinearWeight);                                           \
  template GemmProblem<T> backward_input_problem(Matrix<T>, Matrix<const T>,                       \
                                                 const ParameterStore<T>&, LinearWeight);          \
  template void linear_forward(Matrix<T>, Matrix<const T>, const ParameterStore<T>&, LinearWeight, \
                               bool, const RowsDone&);                                             \
  template void linear_backward_input(Matrix<T>, Matrix<const T>, const ParameterStore<T>&,        \
                                      LinearWeight, bool, const RowsDone&);                        \
  template void linear_backward_weight(const ParameterStore<T>&, Matrix<const T>, Matrix<const T>, \
                                       const ParameterStore<T>&, LinearWeight);
FARTHING_INSTANTIATE(float)
FARTHING_INSTANTIATE(double)
#undef FARTHING_INSTANTIATE

}  // namespace farthing
