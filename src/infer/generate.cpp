// generate.cpp - one token for every unfinished sequence at a time.
#include "infer/generate.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"

namespace farthing {
namespace {

void check_prompts(const ModelConfig& config,
                   const std::vector<std::vector<std::int32_t>>& prompts) {
  const auto longest = static_cast<std::size_t>(config.max_position_embeddings);
  for (const auto& prompt : prompts) {
    if (!prompt.empty() && prompt.size() <= longest) continue;
    throw_bad_input({"prompt", "tokens", std::to_string(prompt.size()),
                     "1 to " + std::to_string(longest) + ", the model's context", ""});
  }
}

// Room for the longest prompt and what may be written after it.
int capacity_for(const ModelConfig& config, const std::vector<std::vector<std::int32_t>>& prompts,
                 int max_tokens) {
  std::int64_t longest = 0;
  for (const auto& prompt : prompts) {
    longest = std::max(longest, static_cast<std::int64_t>(prompt.size()));
  }
  return static_cast<int>(
      std::min<std::int64_t>(longest + max_tokens, config.max_position_embeddings));
}

// Why a sequence of `length` tokens, its new token counted, writes no more; nullopt: it goes on.
std::optional<StopReason> reason_to_stop(const GenerateSettings& settings, int sequence,
                                         std::int32_t id, Continuation& written, int context_left) {
  if (std::ranges::find(settings.stop_ids, id) != settings.stop_ids.end()) {
    return StopReason::kStopId;
  }
  written.ids.push_back(id);
  if (settings.on_token && !settings.on_token(sequence, id)) return StopReason::kCaller;
  if (static_cast<int>(written.ids.size()) >= settings.max_tokens) return StopReason::kMaxTokens;
  if (context_left <= 0) return StopReason::kContext;
  return std::nullopt;
}

}  // namespace

const char* to_string(StopReason reason) {
  switch (reason) {
    case StopReason::kStopId:
      return "stop_id";
    case StopReason::kMaxTokens:
      return "max_tokens";
    case StopReason::kContext:
      return "context";
    case StopReason::kCaller:
      return "stop_text";
  }
  return "";
}

std::vector<Continuation> generate(const Model<float>& model,
                                   const std::vector<std::vector<std::int32_t>>& prompts,
                                   const GenerateSettings& settings) {
  check_sampling(settings.sampling);
  check_prompts(model.config, prompts);
  std::vector<Continuation> written(prompts.size());
  if (prompts.empty() || settings.max_tokens <= 0) return written;
  Engine engine(model, static_cast<int>(prompts.size()),
                capacity_for(model.config, prompts, settings.max_tokens));
  std::vector<NewTokens> input;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    input.push_back({static_cast<int>(i), prompts[i]});
  }
  std::vector<std::int32_t> next(prompts.size());
  while (!input.empty()) {
    const Matrix<const float> logits = engine.feed(input);
    std::vector<NewTokens> unfinished;
    for (int row = 0; row < logits.n_rows; ++row) {
      const int sequence = input[static_cast<std::size_t>(row)].sequence;
      const auto index = static_cast<std::size_t>(sequence);
      const int length = engine.length(sequence);
      next[index] =
          sample_token(logits[row], settings.sampling, index, static_cast<std::uint64_t>(length));
      const auto reason = reason_to_stop(settings, sequence, next[index], written[index],
                                         model.config.max_position_embeddings - length);
      if (reason) {
        written[index].reason = *reason;
      } else {
        unfinished.push_back({sequence, std::span(&next[index], 1)});
      }
    }
    input = std::move(unfinished);
  }
  return written;
}

}  // namespace farthing
