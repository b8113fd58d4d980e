// generate.h - continue prompts: feed, sample, feed again, until a stop id or a limit.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "infer/engine.h"
#include "infer/sampler.h"

namespace farthing {

enum class StopReason {
  kStopId,     // the model wrote a stop id; it is not part of ids
  kMaxTokens,  // max_tokens were written
  kContext,    // the sequence reached max_position_embeddings
  kCaller,     // on_token said so
};
const char* to_string(StopReason reason);

struct Continuation {
  std::vector<std::int32_t> ids;  // without the prompt
  StopReason reason = StopReason::kMaxTokens;
};

struct GenerateSettings {
  SamplingSettings sampling = {};
  int max_tokens = 256;
  std::vector<std::int32_t> stop_ids = {};
  // Called for every token as it is written; false ends that sequence.
  std::function<bool(int sequence, std::int32_t id)> on_token = {};
};

// One continuation per prompt, all at once.  A continuation does not depend on the other prompts
// but through its number among them, which seeds its draws.
//
// Errors   Error{kBadInput}: an empty prompt, one longer than max_position_embeddings, an id out
//          of the vocabulary, settings out of range.
std::vector<Continuation> generate(const Model<float>& model,
                                   const std::vector<std::vector<std::int32_t>>& prompts,
                                   const GenerateSettings& settings);

}  // namespace farthing
