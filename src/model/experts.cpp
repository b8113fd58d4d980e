// experts.cpp - one grouped product for all experts; idle experts have zero rows.
#include "model/experts.h"

#include "base/parallel.h"
#include "kernels/elementwise.h"
#include "model/linear.h"
#include "model/rows.h"

namespace farthing {

template <class T>
Experts<T>::Saved::Saved(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep) {
  const std::int64_t n_rows = static_cast<std::int64_t>(n_tokens) * config.num_experts_per_tok;
  gate_up = Kept<T>(arena, n_rows, 2 * config.moe_intermediate_size, keep.cached);
  if (keep.recompute == Recompute::kNone) {
    act = arena.matrix<T>(n_rows, config.moe_intermediate_size);
  }
}

template <class T>
Experts<T>::Scratch::Scratch(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep) {
  const std::int64_t n_rows = static_cast<std::int64_t>(n_tokens) * config.num_experts_per_tok;
  rows = arena.matrix<T>(n_rows, config.hidden_size);
  act = arena.matrix<T>(n_rows, config.moe_intermediate_size);
  gate_up = Kept<T>::scratch(arena, n_rows, 2 * config.moe_intermediate_size, keep.cached);
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
template <class Problem>
void Experts<T>::grouped(const Routing<T>& routing, const Scratch& scratch, GemmOptions options,
                         Problem problem,
                         const std::function<void(int first, int count)>& done) const {
  for (std::size_t e = 0; e < ids.size(); ++e) {
    const int first = routing.begin[e];
    const Rows rows{first, routing.begin[e + 1] - first, routing.token_of_row.data() + first};
    scratch.problems[e] = problem(ids[e], rows);
  }
  RowsDone done_of;
  if (done) {
    done_of = [&](int e, int begin, int end) {
      done(routing.begin[static_cast<std::size_t>(e)] + begin, end - begin);
    };
  }
  gemm_grouped(scratch.problems, options, done_of);
}

template <class T>
void Experts<T>::forward(Matrix<const T> x, const Routing<T>& routing, const Saved& saved,
                         const Scratch& scratch) const {
  if (ids.empty()) return;
  const Matrix<T> gate_up = saved.gate_up.place(scratch.gate_up);
  const Matrix<T> act = saved.act.n_rows > 0 ? saved.act : scratch.act;
  grouped(
      routing, scratch, forward_options(weights, ids.front().gate),
      [&](const MlpIds& expert, const Rows& rows) {
        auto problem = forward_problem<T>(rows.of(gate_up), rows.chosen_of(x), weights,
                                          gate_up_weight(expert));
        problem.a_rows = rows.tokens;
        return problem;
      },
      [&](int first, int count) {
        swiglu_forward<T>(act.rows(first, count), gate_up.rows(first, count));
        saved.gate_up.keep(gate_up, first, count);
      });
  grouped(routing, scratch, forward_options(weights, ids.front().down),
          [&](const MlpIds& expert, const Rows& rows) {
            return forward_problem<T>(rows.of(scratch.rows), rows.of(act), weights, expert.down);
          });
}

template <class T>
void Experts<T>::backward_input(Matrix<const T> dh, const Routing<T>& routing, const Saved& saved,
                                const Gradients& gradients, const Scratch& scratch,
                                const BackwardScratch& backward) const {
  if (ids.empty()) return;
  const Matrix<T> dact = backward.dact;
  const bool kept = saved.act.n_rows > 0;
  const Matrix<T> act = kept ? saved.act : scratch.act;
  const Matrix<T> gate_up = saved.gate_up.place(scratch.gate_up);
  const auto weigh = [&](int row) {
    const int assignment = routing.assignment_of_row[static_cast<std::size_t>(row)];
    backward.dweight.data[assignment] = dot<T>(dact[row], act[row]);
    const T weight = routing.weight.data[assignment];
    for (T& value : dact[row]) value *= weight;
  };
  grouped(
      routing, scratch, backward_input_options(weights, ids.front().down),
      [&](const MlpIds& expert, const Rows& rows) {
        auto problem =
            backward_input_problem<T>(rows.of(dact), rows.chosen_of(dh), weights, expert.down);
        problem.a_rows = rows.tokens;
        return problem;
      },
      [&](int first, int count) {
        const auto rows = [=](Matrix<T> all) { return all.rows(first, count); };
        saved.gate_up.restore(gate_up, first, count);
        if (!kept) swiglu_forward<T>(rows(act), rows(gate_up));
        for (int row = first; row < first + count; ++row) weigh(row);
        swiglu_backward<T>(rows(gradients.dgate_up), rows(dact), rows(gate_up));
      });
  grouped(routing, scratch, backward_input_options(weights, ids.front().gate),
          [&](const MlpIds& expert, const Rows& rows) {
            return backward_input_problem<T>(rows.of(scratch.rows), rows.of(gradients.dgate_up),
                                             weights, gate_up_weight(expert));
          });
}

template <class T>
void Experts<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dh,
                                 Matrix<const T> x, const Routing<T>& routing, const Saved& saved,
                                 const Gradients& gradients, const Scratch& scratch) const {
  if (ids.empty()) return;
  const bool kept = saved.act.n_rows > 0;
  if (!kept) swiglu_forward<T>(scratch.act, saved.gate_up.restored(scratch.gate_up));
  const Matrix<T> act = kept ? saved.act : scratch.act;
  parallel_for(act.n_rows, [&](int row) {
    const T weight = routing.weight.data[routing.assignment_of_row[static_cast<std::size_t>(row)]];
    for (int i = 0; i < act.n_cols; ++i) scratch.act(row, i) = act(row, i) * weight;
  });
  const GemmOptions options = backward_weight_options(weights, ids.front().gate, !into.is_fresh);
  grouped(routing, scratch, options, [&](const MlpIds& expert, const Rows& rows) -> GemmProblem<T> {
    return {.c = into.matrix(expert.down),
            .a = rows.chosen_of(dh),
            .b = rows.of(scratch.act),
            .a_rows = rows.tokens};
  });
  grouped(routing, scratch, options, [&](const MlpIds& expert, const Rows& rows) -> GemmProblem<T> {
    return {.c = weight_matrix(into, gate_up_weight(expert)),
            .a = rows.of(gradients.dgate_up),
            .b = rows.chosen_of(x),
            .b_rows = rows.tokens};
  });
}

template struct Experts<float>;
template struct Experts<double>;

}  // namespace farthing
