// model_config.h - the shape of a model, in Hugging Face's names.
//
// One struct for config.json (read and written), the [model] table of a recipe, and the code.
// Source   DeepSeek-V3 report (arXiv:2412.19437) and its config.json; MTP, section 2.2.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace farthing {

// YaRN (arXiv:2309.00071) on the decoupled rope dimensions.
struct RopeScaling {
  double factor = 1;
  int original_max_position_embeddings = 4096;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 0;
  std::optional<double> attention_factor;

  bool operator==(const RopeScaling&) const = default;
};

// Which hidden state of the trunk the first MTP module receives.
enum class MtpInput { kPreNorm, kPostNorm };

struct ModelConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int intermediate_size = 0;      // dense SwiGLU width
  int moe_intermediate_size = 0;  // width of one routed expert
  int num_hidden_layers = 0;      // MTP modules not counted
  int num_attention_heads = 0;
  int n_shared_experts = 0;  // one fused MLP of n_shared_experts * moe_intermediate_size
  int n_routed_experts = 0;  // 0: a plain dense decoder
  int num_experts_per_tok = 0;
  int first_k_dense_replace = 0;
  int moe_layer_freq = 1;
  int n_group = 1;
  int topk_group = 1;
  bool norm_topk_prob = true;
  double routed_scaling_factor = 1.0;
  std::optional<int> q_lora_rank;  // absent: one q_proj
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
  double rms_norm_eps = 1e-6;  // block and final norms; the latent norms always use 1e-6
  int max_position_embeddings = 4096;
  double rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;
  bool rope_interleave = true;
  double initializer_range = 0.006;
  bool tie_word_embeddings = false;
  int bos_token_id = 0;
  int eos_token_id = 1;
  int num_nextn_predict_layers = 0;  // MTP depth
  MtpInput mtp_input = MtpInput::kPreNorm;
  bool group_mask_zero = false;  // masked groups filled with 0 instead of -inf (old ports)

  static constexpr double kLatentNormEps = 1e-6;

  int qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  int shared_intermediate_size() const { return n_shared_experts * moe_intermediate_size; }
  // Layers num_hidden_layers .. + num_nextn_predict_layers - 1 are the MTP modules' blocks; they
  // are MoE blocks wherever the model has routed experts.
  bool is_moe_layer(int layer) const;
  int n_blocks() const { return num_hidden_layers + num_nextn_predict_layers; }
  int n_moe_blocks() const;

  bool operator==(const ModelConfig&) const = default;
};

// Softmax scale: qk_head_dim^-1/2, times mscale(factor, mscale_all_dim)^2 under YaRN.
// V3: 0.1352337788608801; without rope_scaling 0.0721687836.
double attention_scale(const ModelConfig& config);

// Every fault of the shape at once, each "field: what, found, wanted"; empty when it is sound.
std::vector<std::string> validate(const ModelConfig& config);

// Reads a config.json of model_type deepseek_v3 (transformers 4 and 5 spellings).  Unknown keys are
// ignored, as that format wants; a known key of the wrong type, or a feature that farthing does not
// compute (attention_bias, softmax scoring, another hidden_act ...), is Error{kBadInput}.
ModelConfig model_config_from_json(const Json& json, const std::string& where);
Json to_json(const ModelConfig& config);

}  // namespace farthing
