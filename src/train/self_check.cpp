// self_check.cpp - the comparisons behind `farthing check`, each a row.
#include "train/self_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/isa.h"
#include "kernels/number_formats.h"
#include "model/context.h"
#include "model/model.h"
#include "train/self_check_rows.h"

namespace farthing {
namespace {

constexpr std::uint64_t kSeed = 20;
constexpr int kSequences = 2;
constexpr int kSequenceLength = 20;
constexpr double kDifferenceStep = 1e-6;     // small: a larger one may change a token's experts
constexpr double kGradientTolerance = 1e-6;  // double, central differences: error about step^2
constexpr double kFloatTolerance = 1e-4;     // relative, in norm: the golden tests' bound

// Weights, gradients and contexts of one small model in one scalar type.
template <class T>
class Bench {
 public:
  Bench(const ModelConfig& config, const Recipe& recipe, bool delay_weight, int n_contexts)
      : config_(config),
        table_(config),
        arena_(size_in_bytes(delay_weight, n_contexts)),
        weights_(arena_, table_),
        gradients_(arena_, table_),
        model_(config, table_, fill_weights()) {
    for (int i = 0; i < n_contexts; ++i) {
      contexts_.emplace_back(arena_, config_, kShape, ContextMode{true, delay_weight});
    }
    scale_ = {.token = 1.0 / (kSequences * kSequenceLength * 2),
              .sequence = 1.0 / (kSequences * 2),
              .mtp_weight = recipe.train.mtp_loss_weight,
              // Larger than in training, so that a fault in it cannot hide.
              .balance_weight = recipe.balance.sequence_loss_weight > 0 ? 0.1 : 0.0};
  }

  double run_forward(int context, const Batch& batch) {
    forward(model_, contexts_[index(context)], batch);
    return loss<T>(model_, contexts_[index(context)], batch, scale_, &gradients_).total;
  }
  void run_backward(int context, const Batch& batch) {
    backward(model_, contexts_[index(context)], batch, gradients_);
  }
  void run_backward_input(int context, const Batch& batch) {
    backward_input(model_, contexts_[index(context)], batch, gradients_);
  }
  void run_backward_weight(int context, const Batch& batch) {
    backward_weight(model_, contexts_[index(context)], batch, gradients_);
  }
  double loss_only(const Batch& batch) {
    forward(model_, contexts_[0], batch);
    return loss<T>(model_, contexts_[0], batch, scale_, nullptr).total;
  }
  void clear_gradients() { std::fill(gradients_.all.begin(), gradients_.all.end(), T(0)); }

  const ParameterTable& table() const { return table_; }
  const ParameterStore<T>& weights() const { return weights_; }
  const ParameterStore<T>& gradients() const { return gradients_; }

 private:
  static constexpr ContextShape kShape{kSequences, kSequenceLength};
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }

  std::int64_t size_in_bytes(bool delay_weight, int n_contexts) const {
    Arena measure = Arena::measuring();
    for (int i = 0; i < 2; ++i) const ParameterStore<T> store(measure, table_);
    for (int i = 0; i < n_contexts; ++i) {
      const Context<T> context(measure, config_, kShape, ContextMode{true, delay_weight});
    }
    return measure.used();
  }

  // The float initialisation widened, so that float and double models are the same model; larger
  // than in training and with norms and biases off their neutral values, so that nothing hides.
  const ParameterStore<T>& fill_weights() {
    const Rng rng(kSeed, RngStream::kTest);
    for (int id = 0; id < table_.size(); ++id) {
      const Parameter& p = table_[id];
      const auto values = weights_.values(id);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto draw = static_cast<float>(rng.normal(static_cast<std::uint64_t>(p.offset) + i));
        values[i] = p.role == Role::kNorm   ? T(1.0f + 0.2f * draw)
                    : p.role == Role::kBias ? T(0.01f * std::abs(draw))
                                            : T(0.25f * draw);
      }
    }
    return weights_;
  }

  ModelConfig config_;
  ParameterTable table_;
  Arena arena_;
  ParameterStore<T> weights_, gradients_;
  Model<T> model_;
  std::vector<Context<T>> contexts_;
  LossScale scale_;
};

Batch random_batch(const ModelConfig& config, const Recipe& recipe, std::uint64_t number) {
  const Rng rng(kSeed, RngStream::kTest, 1 + number);
  std::vector<std::vector<std::int32_t>> rows(kSequences);
  std::uint64_t draw = 0;
  for (auto& row : rows) {
    for (int t = 0; t <= kSequenceLength; ++t) {
      row.push_back(static_cast<std::int32_t>(rng.below(draw++, config.vocab_size)));
    }
  }
  Batch batch = make_batch(rows);
  if (!recipe.data.document_mask) return batch;
  constexpr int kCut = kSequenceLength / 3;  // two documents in each sequence
  batch.document_start.assign(batch.ids.size(), 0);
  for (int token = 0; token < batch.n_tokens(); ++token) {
    const int at = token % kSequenceLength;
    const auto i = static_cast<std::size_t>(token);
    if (at >= kCut) batch.document_start[i] = kCut, batch.positions[i] = at - kCut;
    if (at == kCut - 1) batch.targets[i] = -1;
  }
  return batch;
}

// "model.layers.3.mlp.experts.7.up_proj.weight" -> "mlp.experts.up_proj": what rows are grouped by.
std::string group_of(const Parameter& parameter) {
  std::string name;
  for (std::size_t begin = 0; begin < parameter.name.size();) {
    const std::size_t end = std::min(parameter.name.find('.', begin), parameter.name.size());
    const std::string piece = parameter.name.substr(begin, end - begin);
    const bool number =
        std::all_of(piece.begin(), piece.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number && piece != "model" && piece != "layers" && piece != "weight") {
      name += (name.empty() ? "" : ".") + piece;
    }
    begin = end + 1;
  }
  return name;
}

// One random direction in the space of some parameters, at unit variance per element.
class Direction {
 public:
  Direction(Bench<double>& bench, const Batch& batch, const std::vector<int>& ids,
            std::uint64_t draw)
      : bench_(bench), batch_(batch), ids_(ids), rng_(kSeed, RngStream::kTest, 77 + draw) {}

  double times_gradient() const {
    double sum = 0;
    for_each([&](int id, std::size_t i, double component) {
      sum += bench_.gradients().values(id)[i] * component;
    });
    return sum;
  }
  double central_difference(double step) const {
    return (loss_at(step) - loss_at(-step)) / (2 * step);
  }

 private:
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const int id : ids_) {
      const Parameter& p = bench_.table()[id];
      for (std::int64_t i = 0; i < p.size(); ++i) {
        visit(id, static_cast<std::size_t>(i),
              rng_.normal(static_cast<std::uint64_t>(p.offset + i)));
      }
    }
  }
  double loss_at(double step) const {
    const auto all = bench_.weights().all;
    const std::vector<double> before(all.begin(), all.end());
    for_each([&](int id, std::size_t i, double component) {
      bench_.weights().values(id)[i] += step * component;
    });
    const double loss = bench_.loss_only(batch_);
    std::copy(before.begin(), before.end(), all.begin());
    return loss;
  }

  Bench<double>& bench_;
  const Batch& batch_;
  const std::vector<int>& ids_;
  Rng rng_;
};

// Central difference along a random direction of one group, against <gradient, direction>.  Where a
// token changes its experts the loss jumps and has no derivative: two steps then disagree, and
// another direction is drawn.
CheckRow check_group(Bench<double>& bench, const Batch& batch, const std::string& group,
                     const std::vector<int>& ids) {
  constexpr std::uint64_t kDraws = 16;
  double squares = 0;
  for (const int id : ids) {
    for (const double g : bench.gradients().values(id)) squares += g * g;
  }
  const double norm = std::max(std::sqrt(squares), 1e-6);
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    const Direction direction(bench, batch, ids, draw);
    const double numeric = direction.central_difference(kDifferenceStep);
    const double finer = direction.central_difference(kDifferenceStep / 4);
    if (std::abs(numeric - finer) > 10 * kGradientTolerance * norm) continue;
    const double error = std::abs(numeric - direction.times_gradient()) / norm;
    return {"gradient", group, error, kGradientTolerance, error <= kGradientTolerance};
  }
  return {"gradient", group + ": no smooth direction", 1, kGradientTolerance, false};
}

std::vector<CheckRow> check_gradients(const ModelConfig& config, const Recipe& recipe) {
  Bench<double> bench(config, recipe, false, 1);
  const Batch batch = random_batch(config, recipe, 0);
  bench.clear_gradients();
  bench.run_forward(0, batch);
  bench.run_backward(0, batch);
  std::map<std::string, std::vector<int>> groups;
  for (int id = 0; id < bench.table().size(); ++id) {
    if (bench.table()[id].trainable) groups[group_of(bench.table()[id])].push_back(id);
  }
  std::vector<CheckRow> rows;
  rows.reserve(groups.size());
  for (const auto& [group, ids] : groups) rows.push_back(check_group(bench, batch, group, ids));
  return rows;
}

struct Outcome {
  double loss = 0;
  std::vector<float> gradients;
};

enum class WeightOrder { kFused, kDelayed };

// Two micro-batches through the float model; gradients of both added.
Outcome run_two(const ModelConfig& config, const Recipe& recipe, WeightOrder order) {
  const bool delayed = order == WeightOrder::kDelayed;
  Bench<float> bench(config, recipe, delayed, 2);
  const std::array<Batch, 2> batches = {random_batch(config, recipe, 0),
                                        random_batch(config, recipe, 1)};
  bench.clear_gradients();
  Outcome outcome;
  const auto each = [&](const auto& run) {
    for (int i = 0; i < 2; ++i) run(i, batches[static_cast<std::size_t>(i)]);
  };
  if (delayed) {
    each([&](int i, const Batch& batch) { outcome.loss += bench.run_forward(i, batch); });
    each([&](int i, const Batch& batch) { bench.run_backward_input(i, batch); });
    each([&](int i, const Batch& batch) { bench.run_backward_weight(i, batch); });
  } else {
    each([&](int i, const Batch& batch) {
      outcome.loss += bench.run_forward(i, batch);
      bench.run_backward(i, batch);
    });
  }
  outcome.gradients.assign(bench.gradients().all.begin(), bench.gradients().all.end());
  return outcome;
}

bool same_bits(const Outcome& a, const Outcome& b) {
  return std::bit_cast<std::uint64_t>(a.loss) == std::bit_cast<std::uint64_t>(b.loss) &&
         a.gradients.size() == b.gradients.size() &&
         std::memcmp(a.gradients.data(), b.gradients.data(), a.gradients.size() * sizeof(float)) ==
             0;
}

CheckRow bitwise_row(const std::string& subject, const std::string& detail, const Outcome& a,
                     const Outcome& b) {
  CheckRow row{subject, detail, 0, 0, same_bits(a, b)};
  for (std::size_t i = 0; i < std::min(a.gradients.size(), b.gradients.size()); ++i) {
    row.error = std::max<double>(row.error, std::abs(a.gradients[i] - b.gradients[i]));
  }
  return row;
}

template <class T>
double relative_error(std::span<const float> measured, std::span<const T> expected) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(measured[i]) - static_cast<double>(expected[i]), 2);
    norm += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / std::max(norm, 1e-300));
}

// Every available instruction set, the reference included, against double.
std::vector<CheckRow> check_instruction_sets(const ModelConfig& config, const Recipe& recipe) {
  Bench<double> exact(config, recipe, false, 1);
  exact.clear_gradients();
  double exact_loss = 0;
  for (const std::uint64_t number : {0u, 1u}) {
    const Batch batch = random_batch(config, recipe, number);
    exact_loss += exact.run_forward(0, batch);
    exact.run_backward(0, batch);
  }
  std::vector<CheckRow> rows;
  const Isa before = current_isa();
  for (const Isa isa : kAllIsas) {
    if (!cpu_supports(isa)) continue;
    set_isa(isa);
    const Outcome outcome = run_two(config, recipe, WeightOrder::kFused);
    const double loss_error = std::abs(outcome.loss - exact_loss) / std::abs(exact_loss);
    const double error =
        std::max(loss_error, relative_error<double>(outcome.gradients, exact.gradients().all));
    rows.push_back({"isa", std::string(isa_name(isa)) + " against double", error, kFloatTolerance,
                    error <= kFloatTolerance});
  }
  set_isa(before);
  return rows;
}

std::vector<CheckRow> check_bits(const ModelConfig& config, const Recipe& recipe) {
  const int threads = num_threads();
  const Outcome plain = run_two(config, recipe, WeightOrder::kFused);
  std::vector<CheckRow> rows = {bitwise_row("order", "F0 F1 b0 b1 W0 W1 = F0 B0 F1 B1", plain,
                                            run_two(config, recipe, WeightOrder::kDelayed))};
  for (const int n : {1, 2, 3}) {
    set_num_threads(n);
    rows.push_back(bitwise_row("threads", fmt::format("{} = {}", n, threads), plain,
                               run_two(config, recipe, WeightOrder::kFused)));
  }
  set_num_threads(threads);
  return rows;
}

// Every code of a format survives the way to float and back; NaN stays NaN.
template <class Code, class Decode, class Encode>
CheckRow check_format(const std::string& name, int n_codes, Decode decode, Encode encode) {
  int n_wrong = 0;
  for (int code = 0; code < n_codes; ++code) {
    const float value = decode(static_cast<Code>(code));
    const Code back = encode(value);
    if (std::isnan(value) ? !std::isnan(decode(back)) : back != static_cast<Code>(code)) ++n_wrong;
  }
  return {"format", name + ": every code", static_cast<double>(n_wrong), 0, n_wrong == 0};
}

std::vector<CheckRow> check_formats() {
  return {check_format<std::uint16_t>("bf16", 65536, from_bf16, to_bf16),
          check_format<std::uint16_t>("fp16", 65536, from_f16, to_f16),
          check_format<std::uint8_t>("e4m3", 256, from_e4m3, to_e4m3)};
}

}  // namespace

ModelConfig shrink(const ModelConfig& config) {
  ModelConfig small = config;
  const auto at_most = [](int& field, int limit) { field = std::min(field, limit); };
  const bool has_dense = config.first_k_dense_replace > 0;
  at_most(small.vocab_size, 96);
  at_most(small.hidden_size, 24);
  at_most(small.intermediate_size, 40);
  at_most(small.moe_intermediate_size, 16);
  at_most(small.num_attention_heads, 2);
  at_most(small.kv_lora_rank, 12);
  at_most(small.qk_nope_head_dim, 8);
  at_most(small.qk_rope_head_dim, 4);
  at_most(small.v_head_dim, 6);
  at_most(small.n_shared_experts, 2);
  if (small.q_lora_rank) at_most(*small.q_lora_rank, 20);
  small.num_hidden_layers = std::min(config.num_hidden_layers, has_dense ? 3 : 2);
  small.first_k_dense_replace = std::min(config.first_k_dense_replace, 1);
  if (config.n_routed_experts > 0) {
    const int groups = std::min(config.n_group, 4);
    small.n_group = groups;
    small.topk_group = std::clamp(config.topk_group, 1, std::max(1, groups / 2));
    small.n_routed_experts = std::min(config.n_routed_experts, std::max(8, 4 * groups));
    const int reachable = small.n_routed_experts / groups * small.topk_group;
    small.num_experts_per_tok = std::min({config.num_experts_per_tok, 3, reachable});
  }
  return small;
}

std::vector<CheckRow> self_check(const Recipe& recipe,
                                 const std::function<void(const std::string&)>& progress) {
  const ModelConfig config = shrink(recipe.model);
  std::vector<CheckRow> rows;
  const auto add = [&](const char* what, const auto& check) {
    progress(what);
    const std::vector<CheckRow> more = check();
    rows.insert(rows.end(), more.begin(), more.end());
  };
  add("number formats", check_formats);
  add("central differences in double", [&] { return check_gradients(config, recipe); });
  add("instruction sets", [&] { return check_instruction_sets(config, recipe); });
  add("delayed W, threads", [&] { return check_bits(config, recipe); });
  add("products of every format", [&] { return check_products(config, recipe); });
  add("checkpoints", [&] { return std::vector<CheckRow>{check_checkpoint(config, recipe)}; });
  return rows;
}

}  // namespace farthing
