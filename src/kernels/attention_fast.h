// attention_fast.h - the float path of attention.h: tiles of scores, register-tile products, online
// softmax.
//
// REQUIRES current_isa() != Isa::kRef; shapes are checked by the callers.
#pragma once
#include <cstdint>
#include <span>

#include "kernels/attention.h"

namespace farthing::fast {

void attention_forward(const AttentionShape& shape, Matrix<float> o, Matrix<float> lse,
                       Matrix<const float> q, Matrix<const float> kv, Matrix<const float> k_pe,
                       std::span<const std::int32_t> document_start);
void attention_backward(const AttentionShape& shape, AttentionGradients<float> gradients,
                        Matrix<const float> d_o, const AttentionSaved<float>& saved,
                        std::span<const std::int32_t> document_start,
                        const AttentionScratch<float>& scratch);

}  // namespace farthing::fast
