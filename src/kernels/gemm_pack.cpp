// gemm_pack.cpp - packs op(B): panel by panel, or whole copies of many matrices at once.
#include "kernels/gemm_pack.h"

#include <xmmintrin.h>

#include <vector>

#include "base/parallel.h"
#include "kernels/isa.h"

namespace farthing {
namespace {

constexpr int kTilesPerBlock = 4;  // of the deepest block, kDepthWords pairs
static_assert(kTilesPerBlock * kTile == 2 * kDepthWords);

}  // namespace

PanelPacker::PanelPacker(const GemmKernel& kernel, Matrix<const float> b, GemmOptions options,
                         const std::int32_t* b_rows)
    : kernel_(kernel),
      b_(b),
      b_rows_(b_rows),
      options_(options),
      n_cols_(options.transpose_b ? b.n_rows : b.n_cols),
      depth_(options.transpose_b ? b.n_cols : b.n_rows) {}

float PanelPacker::tile_amax(int col, int k) const {
  const int n_cols = std::min(kTile, n_cols_ - col), n_k = std::min(kTile, depth_ - k);
  const int row = options_.transpose_b ? col : k, n_rows = options_.transpose_b ? n_cols : n_k;
  const int first = options_.transpose_b ? k : col, n = options_.transpose_b ? n_k : n_cols;
  float most = 0;
  const SourceRows source = SourceRows{b_.data, b_.stride, b_rows_}.from(row, first);
  for (int i = 0; i < n_rows; ++i) most = std::max(most, kernel_.amax(source[i], n));
  return most;
}

void PanelPacker::block_scales(int col, int n_cols, int k, int n_k, float* scales) const {
  if (!has_blocks()) return;
  const int first = col / kTile * kTile;
  for (int tile_col = first; tile_col < col + n_cols; tile_col += kTile) {
    float* out = scales + (tile_col - first) / kTile * kTilesPerBlock;
    for (int tile_k = k; tile_k < k + n_k; tile_k += kTile) {
      *out++ = tile_scale(options_.format, tile_amax(tile_col, tile_k));
    }
  }
}

const float* PanelPacker::scales_of(const float* scales, int col, int first_col) const {
  return has_blocks() ? scales + (col / kTile - first_col / kTile) * kTilesPerBlock : nullptr;
}

void PanelPacker::panel(float* packed, int col, int size, int k, int k0, int n_k,
                        const float* scales, bool past_caches, LineScales line_scales) const {
  const int lanes = kernel_.n_lanes / kernel_.lines_per_word, width = word_width(size);
  const float* scale = scales == nullptr ? nullptr : scales + k0 / kTile;
  for (int lane = 0; lane < round_up(size, kernel_.n_lanes); lane += lanes) {
    const std::int64_t line = col + lane, first_k = k + k0;
    const SourceRows all{b_.data, b_.stride, b_rows_};
    const PackPiece piece{packed + std::int64_t{words(k0)} * width + lane / kernel_.lines_per_word,
                          width,
                          options_.transpose_b ? all.from(line, first_k) : all.from(first_k, line),
                          std::clamp(size - lane, 0, lanes),
                          n_k,
                          scale,
                          past_caches,
                          line_scales.scale ? line_scales.from(lane) : line_scales};
    options_.transpose_b ? kernel_.pack_lines(piece) : kernel_.pack_columns(piece);
  }
}

void PanelPacker::prefetch(int col, int size, int k, int n_k) const {
  if (!options_.transpose_b) return;
  for (int line = 0; line < size; ++line) {
    const float* source = b_.row(col + line) + k;
    for (int i = 0; i < n_k; i += kFloatsPerLine) __builtin_prefetch(source + i, 0, 2);
  }
}

std::int64_t packed_size(int n, int k, MatmulFormat format) {
  constexpr int kMostLanes = 16, kSlack = 64;  // pack_lines writes past the end
  if (current_isa() == Isa::kRef) return round_up(n, kMostLanes) * std::int64_t{k} + kSlack;
  const PanelPacker packer(gemm_kernel(format), {nullptr, k, n}, {.format = format});
  return packer.word_width(round_up(n, kMostLanes)) * std::int64_t{packer.words(k)} + kSlack;
}

namespace {

// A column tile of one matrix, at all depths.
struct PackTask {
  const PackRequest* request;
  int col;
};

// More than stays in a cache until the products.
constexpr std::int64_t kLargeCopiesFloats = std::int64_t{4} << 20;

void run_task(const PackTask& task, bool past_caches) {
  const PackRequest& request = *task.request;
  const GemmKernel& kernel = gemm_kernel(request.options.format);
  const PanelPacker packer(kernel, request.b, request.options);
  const int n_cols = request.options.transpose_b ? request.b.n_rows : request.b.n_cols;
  const int end = std::min(n_cols, task.col + kTile);
  const int chunk = is_tiled(request.options.format) ? kTile : kPackDepth;
  float scales[PanelPacker::kMostTiles];
  for (int k = 0; k < packer.depth(); k += packer.depth_block()) {
    const int n_k = std::min(packer.depth_block(), packer.depth() - k);
    packer.block_scales(task.col, end - task.col, k, n_k, scales);
    const int step = request.options.transpose_b ? n_k : chunk;
    for (int k0 = 0; k0 < n_k; k0 += step) {
      for (int col = task.col; col < end; col += packer.panel_width()) {
        packer.panel(request.packed + packer.offset(col, k), col,
                     std::min(packer.panel_width(), end - col), k, k0, std::min(step, n_k - k0),
                     packer.scales_of(scales, col, task.col), past_caches);
      }
    }
  }
}

}  // namespace

void pack_b(std::span<const PackRequest> requests) {
  if (current_isa() == Isa::kRef) return;
  std::vector<PackTask> tasks;
  std::int64_t n_floats = 0;
  for (const PackRequest& request : requests) {
    n_floats += packed_size(request.b.n_rows, request.b.n_cols, request.options.format);
    const int n_cols = request.options.transpose_b ? request.b.n_rows : request.b.n_cols;
    for (int col = 0; col < n_cols; col += kTile) tasks.push_back({&request, col});
  }
  const bool past_caches = n_floats > kLargeCopiesFloats;
  parallel_for(static_cast<std::int64_t>(tasks.size()), [&](int task) {
    run_task(tasks[static_cast<std::size_t>(task)], past_caches);
    if (past_caches) _mm_sfence();
  });
}

}  // namespace farthing
