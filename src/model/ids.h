// ids.h - where each part finds its tensors: parameter ids by block and part.
#pragma once
#include <vector>

#include "config/model_config.h"
#include "model/parameters.h"

namespace farthing {

struct MlaIds {
  int q_a = -1;  // -1: no query latent, q is the whole projection
  int q_a_norm = -1;
  int q = -1;  // q_b_proj, or q_proj
  int kv_a = -1;
  int kv_a_norm = -1;
  int kv_b = -1;
  int o = -1;
};

struct MlpIds {
  int gate = -1;  // up_proj is the next entry and continues it; -1: no such MLP
  int down = -1;
};

struct RouterIds {
  int weight = -1;
  int bias = -1;
};

struct BlockIds {
  bool is_moe = false;
  int input_norm = -1;
  int post_norm = -1;
  MlaIds mla;
  MlpIds dense;
  RouterIds router;
  std::vector<MlpIds> experts;
  MlpIds shared;
};

struct MtpIds {
  int embedding_norm = -1;  // enorm
  int hidden_norm = -1;     // hnorm
  int projection = -1;      // eh_proj
  int head_norm = -1;       // shared_head.norm
};

struct ModelIds {
  int embedding = -1;
  int head = -1;  // the embedding when tied
  int final_norm = -1;
  std::vector<BlockIds> blocks;  // num_hidden_layers, then one for each MTP module
  std::vector<MtpIds> mtp;
};

// Errors   a tensor that the config needs and the table lacks is a failed CHECK.
ModelIds make_model_ids(const ModelConfig& config, const ParameterTable& table);

// [gate; up] of an MLP as one matrix [2 * width, hidden_size].
template <class T>
Matrix<T> gate_up_matrix(const ParameterStore<T>& store, const MlpIds& ids) {
  const Matrix<T> gate = store.matrix(ids.gate);
  return {gate.data, 2 * gate.n_rows, gate.n_cols};
}

}  // namespace farthing
