// attention_rows.h - what attention does to one row of a tile of scores, on Highway vectors.
#pragma once

namespace farthing::fast {

// One query's scores against the keys of a tile; it may see keys [first, end) of the n.
struct ScoreRow {
  float* score;
  int n, first, end;
  float scale;
};

// Replaces scores by exp(scale * score - top), unseen ones by 0, after raising `top` to the largest
// and shrinking `sum` to it; adds the new terms into `sum`.  Returns what earlier output must be
// multiplied by.
float softmax_row(const ScoreRow& row, float& top, float& sum);
// Replaces scores by p = exp(scale * score - lse), and dp by scale * p * (dp - delta).
void softmax_backward_row(const ScoreRow& row, float* dp, float lse, float delta);
float dot_row(const float* a, const float* b, int n);
void scale_row(float* x, int n, float factor);
// Where `to` begins a cache line and n is whole lines, they are written unread and left in no
// cache: flush_stores() before another thread reads.
void copy_past_caches(float* to, const float* from, int n);
void flush_stores();

}  // namespace farthing::fast
