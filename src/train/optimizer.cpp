// optimizer.cpp - the pieces of the table, their squares and their updates.
#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/adamw.h"
#include "kernels/elementwise.h"

namespace farthing {
namespace {

constexpr std::int64_t kPieceElements = 1 << 15;
constexpr double kMostBf16Beta2 = 0.98;

template <class T>
std::span<T> cut(std::span<T> all, const OptimizerState::Piece& piece) {
  return all.subspan(static_cast<std::size_t>(piece.first), static_cast<std::size_t>(piece.count));
}

}  // namespace

OptimizerStep optimizer_step(const TrainRecipe& train, double learning_rate) {
  return {.learning_rate = learning_rate,
          .beta1 = train.beta1,
          .beta2 = train.beta2,
          .epsilon = train.epsilon,
          .weight_decay = train.weight_decay,
          .clip_norm = train.clip_norm};
}

void check_moments(const TrainRecipe& train, const std::string& where) {
  if (!train.bf16_moments || train.beta2 <= kMostBf16Beta2) return;
  throw_bad_input({where, "train.bf16_moments with a long memory",
                   "train.beta2 = " + std::to_string(train.beta2), "at most 0.98",
                   "rounding would lose the updates of the second moment"});
}

OptimizerState::OptimizerState(Arena& arena, const ParameterTable& table, bool bf16)
    : bf16_moments(bf16) {
  if (bf16) {
    m_bf16 = ParameterStore<std::uint16_t>(arena, table);
    v_bf16 = ParameterStore<std::uint16_t>(arena, table);
  } else {
    m = ParameterStore<float>(arena, table);
    v = ParameterStore<float>(arena, table);
  }
  if (arena.is_measuring()) return;  // what is too large for the machine has too many pieces
  for (int id = 0; id < table.size(); ++id) {
    if (!table[id].trainable) continue;
    for (std::int64_t first = 0; first < table[id].size(); first += kPieceElements) {
      pieces.push_back(
          {id, table[id].offset + first, std::min(kPieceElements, table[id].size() - first)});
    }
  }
  piece_squares.resize(pieces.size());
}

double gradient_norm(const ParameterStore<float>& gradients, OptimizerState& state) {
  parallel_for(static_cast<std::int64_t>(state.pieces.size()), [&](int i) {
    const auto index = static_cast<std::size_t>(i);
    const std::span<const float> values = cut(gradients.all, state.pieces[index]);
    state.piece_squares[index] = sum_of_squares<float>(values);
  });
  double total = 0;
  for (const double squares : state.piece_squares) total += squares;
  return std::sqrt(total);
}

void update(const ParameterStore<float>& master, const ParameterStore<float>& gradients,
            OptimizerState& state, const OptimizerStep& step, double norm) {
  CHECK(std::isfinite(norm));
  ++state.n_updates;
  const bool clips = step.clip_norm > 0 && norm > step.clip_norm;
  AdamwStep plain{.learning_rate = step.learning_rate,
                  .beta1 = step.beta1,
                  .beta2 = step.beta2,
                  .epsilon = step.epsilon,
                  .weight_decay = 0,
                  .clip_scale = clips ? step.clip_norm / norm : 1.0,
                  .step = state.n_updates};
  AdamwStep decaying = plain;
  decaying.weight_decay = step.weight_decay;
  const ParameterTable& table = *master.table;
  parallel_for(static_cast<std::int64_t>(state.pieces.size()), [&](int i) {
    const OptimizerState::Piece& piece = state.pieces[static_cast<std::size_t>(i)];
    const AdamwStep& adamw = table[piece.id].decays ? decaying : plain;
    const std::span<float> weight = cut(master.all, piece);
    const std::span<const float> gradient = cut(gradients.all, piece);
    if (state.bf16_moments) {
      adamw_update(weight, gradient, cut(state.m_bf16.all, piece), cut(state.v_bf16.all, piece),
                   adamw);
    } else {
      adamw_update(weight, gradient, cut(state.m.all, piece), cut(state.v.all, piece), adamw);
    }
  });
}

double clip_and_update(const ParameterStore<float>& master, const ParameterStore<float>& gradients,
                       OptimizerState& state, const OptimizerStep& step) {
  const double norm = gradient_norm(gradients, state);
  if (std::isfinite(norm)) update(master, gradients, state, step, norm);
  return norm;
}

void clear_sums(const ParameterStore<float>& gradients) {
  const auto& entries = gradients.table->entries();
  parallel_for(gradients.table->size(), [&](int id) {
    if (is_one_product(entries[static_cast<std::size_t>(id)].role)) return;
    std::ranges::fill(gradients.values(id), 0.0f);
  });
}

}  // namespace farthing
