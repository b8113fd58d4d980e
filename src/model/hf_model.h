// hf_model.h - a model as a Hugging Face directory: config.json, safetensors, tokenizer, model
// card.
//
// Names and shapes are DeepSeek-V3's.  The MTP layers carry copies of the embedding and the head,
// as the published weights do: written on save, ignored on load, since here they are one tensor
// each.
//
// Source   https://huggingface.co/deepseek-ai/DeepSeek-V3, config.json and README_WEIGHTS.md.
// Errors   Error{kBadInput}: every missing, unexpected and misshapen tensor at once, by name.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "config/model_config.h"
#include "model/parameters.h"
#include "model/safetensors.h"

namespace farthing {

struct LoadedModel {
  ModelConfig config;
  std::unique_ptr<ParameterTable> table;  // weights points at it
  std::unique_ptr<Arena> arena;           // and into this
  ParameterStore<float> weights;
  std::vector<std::string> notes;  // what was left out, a sentence each
};

// Any directory of this architecture: one file or shards; F32, F16, BF16, or FP8 with its scales.
// num_nextn_predict_layers becomes the number of MTP layers that the files hold (transformers drops
// them and keeps the field); layers beyond those of config.json are left out; both are noted.
LoadedModel load_hf_model(const std::string& folder);

// The same from an open reader.  `where` opens the messages.
LoadedModel load_model_weights(const SafetensorsReader& reader, ModelConfig config,
                               const std::string& where);

struct HfExport {
  Dtype dtype = Dtype::kF32;        // kF32 or kBF16; correction biases are F32 in either
  std::string tokenizer_json = {};  // text of tokenizer.json; empty: none is written
  std::string model_card = {};      // README.md; empty: none
  std::int64_t max_shard_bytes = 5'000'000'000;  // more than this: several files and an index
};

// Writes the directory aside and renames it into place, so that it is complete or absent.  A
// directory of an earlier export is replaced; one that holds anything else is refused.
//
// Cost     one tensor converted at a time.
void save_hf_model(const std::string& folder, const ModelConfig& config,
                   const ParameterStore<float>& weights, const HfExport& options);

}  // namespace farthing
