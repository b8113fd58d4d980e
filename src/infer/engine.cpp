// engine.cpp - the model's own parts over a cache: passes of at most kPassTokens tokens.
#include "infer/engine.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "model/block.h"
#include "model/rows.h"

namespace farthing {
namespace {

constexpr int kPassTokens = 128;  // bounds the activations; a longer prompt takes several passes

}  // namespace

struct Engine::Workspace {
  Workspace(Arena& memory, const ModelConfig& config, int tokens)
      : n_tokens(tokens),
        h(memory.matrix<float>(tokens, config.hidden_size)),
        inv_rms(memory.array<float>(tokens)) {
    const BlockShape shape = {.n_sequences = 1,
                              .sequence_length = tokens,
                              .dense = config.n_moe_blocks() < config.n_blocks(),
                              .moe = config.n_moe_blocks() > 0};
    saved = Block<float>::Saved(memory, config, shape);
    scratch = Block<float>::Scratch(memory, config, shape);
    if (shape.moe) decision = Moe<float>::Decision(memory, config, 1, tokens);
  }
  static std::unique_ptr<Workspace> make(const ModelConfig& config, int n_tokens) {
    Arena measure = Arena::measuring();
    const Workspace probe(measure, config, n_tokens);
    auto memory = std::make_unique<Arena>(measure.used());
    auto workspace = std::make_unique<Workspace>(*memory, config, n_tokens);
    workspace->arena = std::move(memory);
    return workspace;
  }

  std::unique_ptr<Arena> arena;
  int n_tokens;
  Matrix<float> h;
  std::span<float> inv_rms;
  Block<float>::Saved saved;
  Block<float>::Scratch scratch;
  Moe<float>::Decision decision;
  std::vector<std::int32_t> positions;
};

Engine::Engine(const Model<float>& model, int n_sequences, int capacity)
    : model_(model), lengths_(static_cast<std::size_t>(n_sequences), 0) {
  CHECK(n_sequences > 0 && capacity > 0);
  CHECK(capacity <= model.config.max_position_embeddings);
  Arena measure = Arena::measuring();
  const KvCache probe(measure, model.config, n_sequences, capacity);
  cache_arena_ = std::make_unique<Arena>(measure.used());
  cache_ = std::make_unique<KvCache>(*cache_arena_, model.config, n_sequences, capacity);
}

Engine::~Engine() = default;

void Engine::check(std::span<const NewTokens> input) const {
  std::vector<bool> seen(lengths_.size());
  for (const NewTokens& tokens : input) {
    const auto sequence = static_cast<std::size_t>(tokens.sequence);
    CHECK(sequence < lengths_.size() && !seen[sequence] && !tokens.ids.empty());
    seen[sequence] = true;
    const auto wanted = static_cast<std::size_t>(lengths_[sequence]) + tokens.ids.size();
    if (wanted > static_cast<std::size_t>(capacity())) {
      throw_bad_input({"the sequence", "tokens", std::to_string(wanted),
                       "at most " + std::to_string(capacity()), ""});
    }
    for (const std::int32_t id : tokens.ids) {
      if (id >= 0 && id < model_.config.vocab_size) continue;
      throw_bad_input({"the sequence", "token id", std::to_string(id),
                       fmt::format("0 to {}", model_.config.vocab_size - 1),
                       "was it encoded with another tokenizer?"});
    }
  }
}

Matrix<const float> Engine::feed(std::span<const NewTokens> input) {
  check(input);
  const ModelConfig& config = model_.config;
  const auto hidden_size = static_cast<std::size_t>(config.hidden_size);
  last_normed_.assign(input.size() * hidden_size, 0.0f);
  std::vector<std::int32_t> ids;
  std::vector<CacheSlot> slots;
  std::vector<std::pair<int, std::size_t>> ends;  // row of the pass -> index into input
  const auto flush = [&] {
    if (ids.empty()) return;
    run_pass(ids, slots);
    for (const auto& [row, index] : ends) {
      normalise_last(row, std::span(last_normed_).subspan(index * hidden_size, hidden_size));
    }
    ids.clear(), slots.clear(), ends.clear();
  };
  for (std::size_t index = 0; index < input.size(); ++index) {
    int& length = lengths_[static_cast<std::size_t>(input[index].sequence)];
    for (const std::int32_t id : input[index].ids) {
      if (ids.size() == kPassTokens) flush();
      ids.push_back(id);
      slots.push_back({input[index].sequence, length++});
    }
    ends.emplace_back(static_cast<int>(ids.size()) - 1, index);
  }
  flush();
  const int n_rows = static_cast<int>(input.size());
  const Matrix<const float> normed(last_normed_.data(), n_rows, config.hidden_size);
  logits_.resize(input.size() * static_cast<std::size_t>(config.vocab_size));
  const Matrix<float> logits(logits_.data(), n_rows, config.vocab_size);
  gemm(logits, normed, model_.weights.matrix(model_.ids.head), {.transpose_b = true});
  return logits;
}

void Engine::normalise_last(int pass_row, std::span<float> normed) {
  const Matrix<float> out(normed.data(), 1, static_cast<int>(normed.size()));
  rmsnorm_forward<float>(out, workspace_->inv_rms.first(1), workspace_->h.rows(pass_row, 1),
                         model_.weights.values(model_.ids.final_norm), model_.config.rms_norm_eps);
}

void Engine::run_pass(std::span<const std::int32_t> ids, std::span<const CacheSlot> slots) {
  const int n_tokens = static_cast<int>(ids.size());
  if (!workspace_ || workspace_->n_tokens != n_tokens) {
    workspace_ = Workspace::make(model_.config, n_tokens);
  }
  workspace_->positions.clear();
  for (const CacheSlot slot : slots) workspace_->positions.push_back(slot.position);
  gather_rows<float>(workspace_->h, model_.weights.matrix(model_.ids.embedding), ids);
  for (int layer = 0; layer < model_.config.num_hidden_layers; ++layer) run_block(layer, slots);
}

void Engine::run_block(int layer, std::span<const CacheSlot> slots) {
  const ModelConfig& config = model_.config;
  Workspace& w = *workspace_;
  const BlockIds& ids = model_.ids.blocks[static_cast<std::size_t>(layer)];
  const Block<float> block = {config, ids, model_.weights};
  const int n_pairs = config.qk_rope_head_dim / 2;
  const Tokens<float> tokens = {
      .n_sequences = 1,
      .sequence_length = w.n_tokens,
      .positions = w.positions,
      .document_start = {},
      .cosine = {model_.rope_cosine.data(), config.max_position_embeddings, n_pairs},
      .sine = {model_.rope_sine.data(), config.max_position_embeddings, n_pairs}};
  const auto normalise = [&](int norm) {
    rmsnorm_forward<float>(w.scratch.normed, w.inv_rms, w.h, model_.weights.values(norm),
                           config.rms_norm_eps);
  };
  // 1. Attention, its keys and values through the cache.
  normalise(ids.input_norm);
  const Mla<float> mla = block.mla();
  mla.project(w.scratch.normed, tokens, w.saved.mla, w.scratch.mla);
  cache_->store(layer, slots, w.saved.mla.kv, mla.k_pe(w.saved.mla));
  cache_->attend(layer, slots, w.saved.mla.o, w.saved.mla.q);
  mla.add_output(w.h, w.saved.mla.o);
  // 2. Dense SwiGLU or experts.
  normalise(ids.post_norm);
  if (ids.is_moe) {
    block.moe().forward(w.h, w.scratch.normed, w.saved.moe, w.decision, w.scratch.moe);
  } else {
    block.dense().forward(w.h, w.scratch.normed, w.saved.dense, w.scratch.dense);
  }
}

}  // namespace farthing
