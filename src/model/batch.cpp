// batch.cpp - a batch from rows of one token more than they train on.
#include "model/batch.h"

#include "base/check.h"

namespace farthing {

Batch make_batch(const std::vector<std::vector<std::int32_t>>& rows) {
  CHECK(!rows.empty() && rows.front().size() >= 2);
  Batch batch;
  batch.n_sequences = static_cast<int>(rows.size());
  batch.sequence_length = static_cast<int>(rows.front().size()) - 1;
  for (const auto& row : rows) {
    CHECK(row.size() == rows.front().size());
    for (int position = 0; position < batch.sequence_length; ++position) {
      batch.ids.push_back(row[static_cast<std::size_t>(position)]);
      batch.targets.push_back(row[static_cast<std::size_t>(position) + 1]);
      batch.positions.push_back(position);
      batch.loss_weight.push_back(1);
    }
    batch.sample_index.push_back(static_cast<std::int64_t>(batch.sample_index.size()));
  }
  return batch;
}

}  // namespace farthing
