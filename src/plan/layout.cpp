// layout.cpp - names of layouts, and which can exist.
#include "plan/layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

template <class Value>
struct Word {
  const char* word;
  Value value;
};

constexpr std::array<Word<PipelineSchedule>, 7> kSchedules = {{
    {"none", PipelineSchedule::kNone},
    {"gpipe", PipelineSchedule::kGpipe},
    {"1f1b", PipelineSchedule::kOneFOneB},
    {"interleaved", PipelineSchedule::kInterleaved},
    {"zb1p", PipelineSchedule::kZb1p},
    {"dualpipe", PipelineSchedule::kDualPipe},
    {"dualpipev", PipelineSchedule::kDualPipeV},
}};
constexpr std::array<Word<RecomputeMode>, 4> kRecomputes = {{
    {"none", RecomputeMode::kNone},
    {"selective", RecomputeMode::kSelective},
    {"cheap", RecomputeMode::kCheap},
    {"full", RecomputeMode::kFull},
}};
constexpr std::array<Word<NumberFormat>, 7> kFormats = {{
    {"fp32", NumberFormat::kFp32},
    {"fp16", NumberFormat::kFp16},
    {"bf16", NumberFormat::kBf16},
    {"fp8", NumberFormat::kFp8},
    {"fp8_block", NumberFormat::kFp8Block},
    {"mxfp8", NumberFormat::kMxfp8},
    {"nvfp4", NumberFormat::kNvfp4},
}};

template <class Table, class Value>
const char* word_of(const Table& table, Value value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.word;
  }
  return "?";
}

template <class Table>
auto value_of(const Table& table, const std::string& word, const std::string& where) {
  std::string all;
  std::vector<std::string> words;
  for (const auto& entry : table) {
    if (word == entry.word) return entry.value;
    words.emplace_back(entry.word);
    all += (all.empty() ? "" : ", ") + words.back();
  }
  const std::string near = nearest_spelling(word, words);
  throw_bad_input({where, "unknown word", "\"" + word + "\"", all,
                   near.empty() ? "" : "did you mean " + near + "?"});
}

int nearest_divisor(int number, int wanted) {
  int best = 1;
  for (int divisor = 1; divisor <= number; ++divisor) {
    if (number % divisor == 0 && std::abs(divisor - wanted) < std::abs(best - wanted)) {
      best = divisor;
    }
  }
  return best;
}

class Faults {
 public:
  void need(bool fine, std::string message) {
    if (!fine) faults_.push_back(std::move(message));
  }
  std::vector<std::string> take() { return std::move(faults_); }

 private:
  std::vector<std::string> faults_;
};

void check_experts(Faults& faults, const Layout& layout, const ModelShape& shape) {
  if (layout.ep == 1) return;
  if (!shape.is_moe()) {
    faults.need(false, fmt::format("EP {}: {} has no experts; EP 1", layout.ep, shape.name));
    return;
  }
  faults.need(
      shape.n_routed_experts % layout.ep == 0,
      fmt::format("EP {} does not divide {} experts; EP {} would", layout.ep,
                  shape.n_routed_experts, nearest_divisor(shape.n_routed_experts, layout.ep)));
  const int ranks = layout.dp * layout.cp * layout.tp;
  faults.need(
      ranks % (layout.ep * layout.etp) == 0,
      fmt::format("EP {} x ETP {} does not divide the {} ranks of DP x CP x TP; EP {} would",
                  layout.ep, layout.etp, ranks,
                  nearest_divisor(std::gcd(ranks, shape.n_routed_experts), layout.ep)));
}

void check_pipeline(Faults& faults, const Layout& layout, const ModelShape& shape,
                    const BatchShape& batch) {
  const int chunks = layout.pp * layout.vp;
  faults.need(chunks <= shape.num_hidden_layers + 2,
              fmt::format("PP {} x VP {} has more stages than the {} layers; PP x VP {} or less",
                          layout.pp, layout.vp, shape.num_hidden_layers, shape.num_hidden_layers));
  const bool interleaves = layout.schedule == PipelineSchedule::kInterleaved;
  faults.need(
      layout.vp == 1 || (layout.pp > 1 && interleaves),
      fmt::format("VP {} goes with the interleaved schedule and PP 2 or more, not {} and PP {}",
                  layout.vp, name(layout.schedule), layout.pp));
  faults.need(layout.pp == 1 || layout.schedule != PipelineSchedule::kNone,
              fmt::format("PP {} wants a schedule: 1f1b, interleaved, zb1p, gpipe, dualpipe or "
                          "dualpipev",
                          layout.pp));
  const std::int64_t count = n_micro_batches(layout, batch.global_batch);
  if (count == 0) {
    const std::int64_t unit = static_cast<std::int64_t>(layout.dp) * layout.micro_batch;
    const std::int64_t near = std::max<std::int64_t>(1, batch.global_batch / unit) * unit;
    faults.need(false, fmt::format("a global batch of {} sequences is no multiple of DP {} x "
                                   "micro-batch {}; {} would be",
                                   batch.global_batch, layout.dp, layout.micro_batch, near));
    return;
  }
  const bool dual = layout.schedule == PipelineSchedule::kDualPipe;
  if (dual) {
    faults.need(layout.pp % 2 == 0, fmt::format("DualPipe wants an even PP, not {}", layout.pp));
    faults.need(count % 2 == 0 && count >= 2 * layout.pp,
                fmt::format("DualPipe wants an even number of micro-batches, at least 2 x PP = {}, "
                            "not {}; a larger global batch or fewer DP ranks give more",
                            2 * layout.pp, count));
  }
  if (interleaves && layout.vp > 1) {
    faults.need(count % layout.pp == 0,
                fmt::format("the interleaved schedule wants a multiple of PP {} micro-batches, not "
                            "{}; {} would do",
                            layout.pp, count, (count / layout.pp + 1) * layout.pp));
  }
}

void check_degrees(Faults& faults, const Layout& layout, const ModelShape& shape,
                   const Cluster& cluster, const BatchShape& batch) {
  for (const auto& [word, degree] : {std::pair<const char*, int>{"PP", layout.pp},
                                     {"EP", layout.ep},
                                     {"DP", layout.dp},
                                     {"TP", layout.tp},
                                     {"CP", layout.cp},
                                     {"VP", layout.vp},
                                     {"ETP", layout.etp},
                                     {"micro-batch", layout.micro_batch}}) {
    faults.need(degree >= 1, fmt::format("{} {}: at least 1", word, degree));
  }
  faults.need(
      layout.n_devices() == cluster.n_devices(),
      fmt::format(
          "PP {} x DP {} x TP {} x CP {} = {} devices, but {} has {}; DP {} would "
          "use {}",
          layout.pp, layout.dp, layout.tp, layout.cp, layout.n_devices(), cluster.name,
          cluster.n_devices(),
          std::max(1, cluster.n_devices() / std::max(1, layout.pp * layout.tp * layout.cp)),
          std::max(1, cluster.n_devices() / std::max(1, layout.pp * layout.tp * layout.cp)) *
              layout.pp * layout.tp * layout.cp));
  faults.need(layout.tp >= 1 && shape.num_attention_heads % std::max(1, layout.tp) == 0,
              fmt::format("TP {} does not divide {} heads; TP {} would", layout.tp,
                          shape.num_attention_heads,
                          nearest_divisor(shape.num_attention_heads, layout.tp)));
  faults.need(layout.tp <= cluster.scale_up_domain(),
              fmt::format("TP {} leaves the {} devices that share {}; TP {} or less", layout.tp,
                          cluster.scale_up_domain(), "a fast link", cluster.scale_up_domain()));
  faults.need(layout.cp >= 1 && batch.sequence_length % std::max(1, 2 * layout.cp) == 0,
              fmt::format("CP {} does not divide a sequence of {} into pairs", layout.cp,
                          batch.sequence_length));
}

}  // namespace

std::int64_t n_micro_batches(const Layout& layout, std::int64_t global_batch) {
  const std::int64_t unit = static_cast<std::int64_t>(layout.dp) * layout.micro_batch;
  return unit <= 0 || global_batch % unit != 0 ? 0 : global_batch / unit;
}

std::vector<int> layers_of_stages(const ModelShape& shape, const Layout& layout) {
  const auto real = [](std::int64_t count) { return static_cast<double>(count); };
  const double width = shape.is_moe()
                           ? double(shape.num_experts_per_tok) * shape.moe_intermediate_size +
                                 shape.shared_intermediate_size
                           : shape.intermediate_size;
  const double head = double(shape.vocab_size) * shape.hidden_size;
  const double block = real(attention_matrices(shape) + indexer_matrices(shape) +
                            mlp_matrices(shape, static_cast<int>(width)));
  const int slots = layout.pp * layout.vp;
  const int per_chunk = (shape.num_hidden_layers + slots - 1) / slots;
  std::vector<int> layers(static_cast<std::size_t>(layout.pp), per_chunk * layout.vp);
  const auto work = [&](std::size_t stage) {
    const bool is_last = stage + 1 == layers.size();
    return layers[stage] * block +
           (is_last ? head + shape.num_nextn_predict_layers * (block + head) : 0);
  };
  for (int spare = per_chunk * slots - shape.num_hidden_layers; spare > 0; --spare) {
    std::size_t most = layers.size();
    for (std::size_t stage = 0; stage < layers.size(); ++stage) {
      if (layers[stage] > 0 && (most == layers.size() || work(stage) > work(most))) most = stage;
    }
    --layers[most];
  }
  return layers;
}

const char* name(PipelineSchedule schedule) { return word_of(kSchedules, schedule); }
const char* name(RecomputeMode mode) { return word_of(kRecomputes, mode); }
const char* name(NumberFormat format) { return word_of(kFormats, format); }

PipelineSchedule parse_schedule(const std::string& word, const std::string& where) {
  return value_of(kSchedules, word, where);
}
RecomputeMode parse_recompute(const std::string& word, const std::string& where) {
  return value_of(kRecomputes, word, where);
}
NumberFormat parse_format(const std::string& word, const std::string& where) {
  return value_of(kFormats, word, where);
}

bool is_fp8(NumberFormat format) {
  return format == NumberFormat::kFp8 || format == NumberFormat::kFp8Block ||
         format == NumberFormat::kMxfp8;
}

bool has_products(const Device& device, NumberFormat format) {
  if (format == NumberFormat::kMxfp8 || format == NumberFormat::kNvfp4) {
    return device.fp4_peak.is_known();
  }
  return !is_fp8(format) || device.fp8_peak.is_known();
}

std::string describe(const Layout& layout) {
  std::string text = fmt::format("PP{}", layout.pp);
  if (layout.vp > 1) text += fmt::format(" VP{}", layout.vp);
  if (layout.ep > 1) text += fmt::format(" EP{}", layout.ep);
  if (layout.etp > 1) text += fmt::format(" ETP{}", layout.etp);
  text += fmt::format(" DP{} TP{}", layout.dp, layout.tp);
  if (layout.cp > 1) text += fmt::format(" CP{}", layout.cp);
  text += fmt::format(", micro-batch {}", layout.micro_batch);
  if (layout.schedule != PipelineSchedule::kNone)
    text += fmt::format(", {}", name(layout.schedule));
  return text + fmt::format(", ZeRO-{}, {}, recompute {}", layout.zero_stage,
                            name(layout.precision), name(layout.recompute));
}

std::string describe(const LayoutPins& pins) {
  std::string text;
  const auto add = [&](const std::string& words, bool is_degree) {
    text += (text.empty() ? "" : is_degree ? " " : ", ") + words;
  };
  for (const auto& [word, degree] : {std::pair<const char*, int>{"PP", pins.pp},
                                     {"VP", pins.vp},
                                     {"EP", pins.ep},
                                     {"TP", pins.tp},
                                     {"CP", pins.cp}}) {
    if (degree > 0) add(fmt::format("{}{}", word, degree), true);
  }
  if (pins.micro_batch > 0) add(fmt::format("micro-batch {}", pins.micro_batch), false);
  if (pins.schedule) add(name(*pins.schedule), false);
  if (pins.zero_stage) add(fmt::format("ZeRO-{}", *pins.zero_stage), false);
  if (pins.recompute) add(fmt::format("recompute {}", name(*pins.recompute)), false);
  return text;
}

std::vector<std::string> validate(const Layout& layout, const ModelShape& shape,
                                  const Cluster& cluster, const BatchShape& batch) {
  Faults faults;
  check_degrees(faults, layout, shape, cluster, batch);
  check_experts(faults, layout, shape);
  check_pipeline(faults, layout, shape, batch);
  const Device& device = cluster.device;
  faults.need(has_products(device, layout.precision),
              fmt::format("{} has no {} products; {} would work", device.name,
                          name(layout.precision), device.fp8_peak.is_known() ? "fp8" : "bf16"));
  return faults.take();
}

}  // namespace farthing
