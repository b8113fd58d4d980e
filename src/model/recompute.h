// recompute.h - what a forward keeps for the backward, and what the backward computes again.
//
//   kNone          everything is kept: outputs of norms and SwiGLUs, queries, keys and values
//   kElementwise   outputs of norms and SwiGLUs are computed again: next to no time
//   kV3            MLA's up-projections (queries, keys and values) as well: two products a layer
//
// Source   DeepSeek-V3 report, section 3.2.3: RMSNorm, MLA up-projections and SwiGLU.
// Exact    The same bits in all three: the same operations on the same numbers.
#pragma once

namespace farthing {

enum class Recompute { kNone, kElementwise, kV3 };

}  // namespace farthing
