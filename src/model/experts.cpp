// experts.cpp - one grouped product for all experts; idle experts have zero rows.
#include "model/experts.h"

#include "base/parallel.h"
#include "kernels/elementwise.h"
#include "model/rows.h"

namespace farthing {
namespace {

template <class T>
auto rows_of(Matrix<T> matrix) {
  return [matrix](int first, int n_rows, const MlpIds&) { return matrix.rows(first, n_rows); };
}

template <class T>
auto gate_up_of(const ParameterStore<T>& store) {
  return [&store](int, int, const MlpIds& ids) { return gate_up_matrix(store, ids); };
}

template <class T>
auto down_of(const ParameterStore<T>& store) {
  return [&store](int, int, const MlpIds& ids) { return store.matrix(ids.down); };
}

}  // namespace

template <class T>
Experts<T>::Saved::Saved(Arena& arena, const ModelConfig& config, int n_tokens)
    : gate_up(arena.matrix<T>(static_cast<std::int64_t>(n_tokens) * config.num_experts_per_tok,
                              2 * config.moe_intermediate_size)) {}

template <class T>
Experts<T>::Scratch::Scratch(Arena& arena, const ModelConfig& config, int n_tokens) {
  const std::int64_t n_rows = static_cast<std::int64_t>(n_tokens) * config.num_experts_per_tok;
  rows = arena.matrix<T>(n_rows, config.hidden_size);
  act = arena.matrix<T>(n_rows, config.moe_intermediate_size);
  problems = arena.array<GemmProblem<T>>(config.n_routed_experts);
}

template <class T>
Experts<T>::BackwardScratch::BackwardScratch(Arena& arena, const ModelConfig& config,
                                             int n_tokens) {
  const std::int64_t n_rows = static_cast<std::int64_t>(n_tokens) * config.num_experts_per_tok;
  dact = arena.matrix<T>(n_rows, config.moe_intermediate_size);
  dweight = arena.matrix<T>(n_tokens, config.num_experts_per_tok);
}

template <class T>
Experts<T>::Gradients::Gradients(Arena& arena, const ModelConfig& config, int n_tokens)
    : dgate_up(arena.matrix<T>(static_cast<std::int64_t>(n_tokens) * config.num_experts_per_tok,
                               2 * config.moe_intermediate_size)) {}

template <class T>
template <class C, class A, class B>
void Experts<T>::grouped(const Routing<T>& routing, const Scratch& scratch, C c, A a, B b,
                         GemmOptions options) const {
  for (std::size_t e = 0; e < ids.size(); ++e) {
    const int first = routing.begin[e];
    const int n_rows = routing.begin[e + 1] - first;
    scratch.problems[e] = {.c = c(first, n_rows, ids[e]),
                           .a = a(first, n_rows, ids[e]),
                           .b = b(first, n_rows, ids[e])};
  }
  gemm_grouped(scratch.problems, options);
}

template <class T>
void Experts<T>::forward(const Routing<T>& routing, const Saved& saved,
                         const Scratch& scratch) const {
  grouped(routing, scratch, rows_of(saved.gate_up), rows_of(scratch.rows), gate_up_of(weights),
          {.transpose_b = true});
  swiglu_forward<T>(scratch.act, saved.gate_up);
  grouped(routing, scratch, rows_of(scratch.rows), rows_of(scratch.act), down_of(weights),
          {.transpose_b = true});
}

template <class T>
void Experts<T>::backward_input(const Routing<T>& routing, const Saved& saved,
                                const Gradients& gradients, const Scratch& scratch,
                                const BackwardScratch& backward) const {
  const Matrix<T> dact = backward.dact;
  grouped(routing, scratch, rows_of(dact), rows_of(scratch.rows), down_of(weights), {});
  swiglu_forward<T>(scratch.act, saved.gate_up);
  parallel_for(dact.n_rows, [&](int row) {
    const int assignment = routing.assignment_of_row[static_cast<std::size_t>(row)];
    backward.dweight.data[assignment] = dot<T>(dact[row], scratch.act[row]);
    const T weight = routing.weight.data[assignment];
    for (T& value : dact[row]) value *= weight;
  });
  swiglu_backward<T>(gradients.dgate_up, dact, saved.gate_up);
  grouped(routing, scratch, rows_of(scratch.rows), rows_of(gradients.dgate_up),
          gate_up_of(weights), {});
}

template <class T>
void Experts<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dh,
                                 Matrix<const T> x, const Routing<T>& routing, const Saved& saved,
                                 const Gradients& gradients, const Scratch& scratch) const {
  const GemmOptions add_outer_products{.transpose_a = true, .accumulate = true};
  swiglu_forward<T>(scratch.act, saved.gate_up);
  parallel_for(scratch.act.n_rows, [&](int row) {
    const T weight = routing.weight.data[routing.assignment_of_row[static_cast<std::size_t>(row)]];
    for (T& value : scratch.act[row]) value *= weight;
  });
  dispatch<T>(scratch.rows, dh, routing);
  grouped(routing, scratch, down_of(into), rows_of(scratch.rows), rows_of(scratch.act),
          add_outer_products);
  dispatch<T>(scratch.rows, x, routing);
  grouped(routing, scratch, gate_up_of(into), rows_of(gradients.dgate_up), rows_of(scratch.rows),
          add_outer_products);
}

template struct Experts<float>;
template struct Experts<double>;

}  // namespace farthing
