// score.cpp - windows of all sequences, padded to one length, through the model's loss door.
#include "eval/score.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "base/check.h"
#include "base/error.h"

namespace farthing {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr int kBatchTokens = 4096;  // of one forward, unless a window alone is longer
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Inputs are ids [begin, end - 1); what they predict and nobody has yet is ids [first_new, end).
struct Window {
  std::size_t sequence = 0;
  std::int64_t begin = 0;
  std::int64_t first_new = 0;
  std::int64_t end = 0;
};

void add_windows(std::vector<Window>& windows, std::size_t sequence, std::int64_t n_ids, int length,
                 int stride) {
  std::int64_t first_new = 1;
  for (std::int64_t begin = 0; first_new < n_ids; begin += stride) {
    const std::int64_t end = std::min<std::int64_t>(begin + length + 1, n_ids);
    windows.push_back({sequence, begin, first_new, end});
    first_new = end;
  }
}

// Row r of the batch is window r; what a short window leaves is padded with targets of -1, which no
// token before can see.
Batch fill_batch(std::span<const Window> windows, const std::vector<Ids>& sequences, int n_rows,
                 int length) {
  Batch batch;
  batch.n_sequences = n_rows;
  batch.sequence_length = length;
  const auto n_tokens = static_cast<std::size_t>(batch.n_tokens());
  batch.ids.assign(n_tokens, 0);
  batch.targets.assign(n_tokens, -1);
  batch.positions.resize(n_tokens);
  batch.loss_weight.assign(n_tokens, 1);
  batch.sample_index.assign(static_cast<std::size_t>(n_rows), 0);
  for (std::size_t token = 0; token < n_tokens; ++token) {
    batch.positions[token] = static_cast<std::int32_t>(token % static_cast<std::size_t>(length));
  }
  for (std::size_t row = 0; row < windows.size(); ++row) {
    const Window& window = windows[row];
    const auto to = static_cast<std::ptrdiff_t>(row) * length;
    const auto ids = sequences[window.sequence].begin();
    std::copy(ids + window.begin, ids + window.end - 1, batch.ids.begin() + to);
    std::copy(ids + window.begin + 1, ids + window.end, batch.targets.begin() + to);
  }
  return batch;
}

double finite(float logprob) {
  if (!std::isfinite(logprob)) {
    throw_bad_input({"the model", "a log-probability", fmt::format("{}", logprob),
                     "a finite number", "its weights hold NaN or infinity"});
  }
  return logprob;
}

void take_scores(const Window& window, std::span<const float> logprob,
                 std::span<const float> mtp_logprob, TokenScores& scores) {
  for (std::int64_t id = window.first_new; id < window.end; ++id) {
    const auto index = static_cast<std::size_t>(id);
    const auto input = static_cast<std::size_t>(id - window.begin - 1);
    scores.logprob[index] = finite(logprob[input]);
    if (!mtp_logprob.empty() && input >= 1) {
      scores.mtp_logprob[index] = finite(mtp_logprob[input - 1]);
    }
  }
}

// One batch of windows through the context.
void score_batch(const Model<float>& model, Context<float>& context,
                 std::span<const Window> windows, const std::vector<Ids>& sequences,
                 std::vector<TokenScores>& scores) {
  const auto length = static_cast<std::size_t>(context.shape.sequence_length);
  const Batch batch =
      fill_batch(windows, sequences, context.shape.n_sequences, context.shape.sequence_length);
  forward(model, context, batch);
  loss<float>(model, context, batch, {.token = 1}, nullptr);
  const bool with_mtp = model.config.num_nextn_predict_layers > 0;
  for (std::size_t row = 0; row < windows.size(); ++row) {
    take_scores(
        windows[row], context.logprob().subspan(row * length, length),
        with_mtp ? context.mtp_logprob(1).subspan(row * length, length) : std::span<const float>(),
        scores[windows[row].sequence]);
  }
}

Arena arena_for(const ModelConfig& config, ContextShape shape) {
  Arena measure = Arena::measuring();
  const Context<float> probe(measure, config, shape, {.save = false});
  return Arena(measure.used());
}

// The inputs of a window: at least two, so that the MTP module predicts all but the first.
int window_length(const ModelConfig& config, const std::vector<Ids>& sequences, int window) {
  const int longest_allowed = window > 0 ? window : config.max_position_embeddings;
  if (longest_allowed < 2 || longest_allowed > config.max_position_embeddings) {
    throw_bad_input({"window", "tokens", std::to_string(longest_allowed),
                     fmt::format("2 to {}, the model's context", config.max_position_embeddings),
                     ""});
  }
  std::size_t longest = 0;
  for (const Ids& ids : sequences) longest = std::max(longest, ids.size());
  return static_cast<int>(
             std::clamp<std::size_t>(longest, 3, static_cast<std::size_t>(longest_allowed) + 1)) -
         1;
}

void check_ids(const ModelConfig& config, const std::vector<Ids>& sequences) {
  for (std::size_t sequence = 0; sequence < sequences.size(); ++sequence) {
    for (std::size_t i = 0; i < sequences[sequence].size(); ++i) {
      const std::int32_t id = sequences[sequence][i];
      if (id >= 0 && id < config.vocab_size) continue;
      throw_bad_input({fmt::format("sequence {}, token {}", sequence, i), "token id",
                       std::to_string(id), fmt::format("0 to {}", config.vocab_size - 1),
                       "was it encoded with another tokenizer?"});
    }
  }
}

}  // namespace

ScoringContext::ScoringContext(const ModelConfig& config, ContextShape shape)
    : arena(arena_for(config, shape)), context(arena, config, shape, {.save = false}) {}

int windows_in_a_batch(int length) { return std::max(1, kBatchTokens / length); }

double TokenScores::sum() const {
  double total = 0;
  for (std::size_t i = 1; i < logprob.size(); ++i) total += logprob[i];
  return total;
}

std::vector<TokenScores> score_sequences(const Model<float>& model,
                                         const std::vector<std::vector<std::int32_t>>& sequences,
                                         const ScoreSettings& settings) {
  check_ids(model.config, sequences);
  const int length = window_length(model.config, sequences, settings.window);
  const int stride = settings.stride > 0 ? std::min(settings.stride, length) : (length + 1) / 2;
  std::vector<TokenScores> scores(sequences.size());
  std::vector<Window> windows;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    scores[i].logprob.assign(sequences[i].size(), kNone);
    if (model.config.num_nextn_predict_layers > 0) {
      scores[i].mtp_logprob.assign(sequences[i].size(), kNone);
    }
    add_windows(windows, i, static_cast<std::int64_t>(sequences[i].size()), length, stride);
  }
  if (windows.empty()) return scores;
  std::optional<ScoringContext> own;
  if (settings.context == nullptr) {
    const int n_windows = static_cast<int>(std::min<std::size_t>(windows.size(), kBatchTokens));
    own.emplace(model.config,
                ContextShape{std::min(n_windows, windows_in_a_batch(length)), length});
  }
  Context<float>& context = own ? own->context : *settings.context;
  CHECK(context.shape.sequence_length >= length);
  const auto n_rows = static_cast<std::size_t>(context.shape.n_sequences);
  for (std::size_t first = 0; first < windows.size(); first += n_rows) {
    const std::size_t count = std::min(n_rows, windows.size() - first);
    score_batch(model, context, std::span(windows).subspan(first, count), sequences, scores);
    if (settings.progress) {
      settings.progress(static_cast<double>(first + count) * length,
                        static_cast<double>(windows.size()) * length);
    }
  }
  return scores;
}

double bits_per_byte(double sum_logprob, std::int64_t n_bytes) {
  CHECK(n_bytes > 0);
  return -sum_logprob / std::numbers::ln2 / static_cast<double>(n_bytes);
}

}  // namespace farthing
