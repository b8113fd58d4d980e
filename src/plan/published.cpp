// published.cpp - the CSV reader and the rules that fill what a row leaves open.
#include "plan/published.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "plan/accounting.h"
#include "plan/memory.h"

namespace farthing {
namespace {

// RFC 4180: quotes around fields with commas, doubled quotes within.
std::vector<std::vector<std::string>> split_csv(const std::string& text) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (quoted && letter == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (letter == '"') {
      quoted = !quoted;
    } else if (!quoted && letter == ',') {
      fields.emplace_back();
    } else if (!quoted && letter == '\n') {
      lines.push_back(std::move(fields));
      fields.assign(1, "");
    } else if (letter != '\r') {
      fields.back() += letter;
    }
  }
  if (fields.size() > 1 || !fields.front().empty()) lines.push_back(std::move(fields));
  return lines;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// One row by column names.
class Row {
 public:
  explicit Row(const PublishedRow& row) : row_(row) {}
  std::string text(const std::string& column) const {
    const auto found = row_.find(column);
    return found == row_.end() ? "" : found->second;
  }
  std::string word(const std::string& column) const { return lower(text(column)); }
  // The number that the field begins with, or `otherwise`.
  double number(const std::string& column, double otherwise = 0) const {
    const std::string field = text(column);
    double value = otherwise;
    const auto [end, fault] = std::from_chars(field.data(), field.data() + field.size(), value);
    return fault == std::errc{} && std::isfinite(value) ? value : otherwise;
  }
  int integer(const std::string& column, int otherwise = 0) const {
    const double value = number(column, otherwise);
    return value >= 0 && value < 2e9 ? static_cast<int>(value) : otherwise;
  }
  bool states(const std::string& column) const { return !text(column).empty(); }

 private:
  const PublishedRow& row_;
};

// The book's model with these proportions, or nothing.
const ModelShape* find_in_book(const Row& row) {
  static const std::vector<ModelShape> book = [] {
    std::vector<ModelShape> shapes;
    for (const auto& name : list_model_shapes()) shapes.push_back(load_model_shape(name));
    return shapes;
  }();
  for (const ModelShape& shape : book) {
    if (shape.hidden_size == row.integer("hidden") &&
        shape.num_attention_heads == row.integer("heads") &&
        shape.n_routed_experts == row.integer("experts") &&
        shape.is_mla() == (row.word("kv_heads") == "mla")) {
      return &shape;
    }
  }
  return nullptr;
}

void resize_layers(ModelShape& shape, int layers) {
  if (layers <= 0 || layers == shape.num_hidden_layers) return;
  if (layers < shape.num_hidden_layers && shape.first_k_dense_replace > 0) {
    const double share = double(layers) / shape.num_hidden_layers;
    shape.first_k_dense_replace =
        std::max(1, static_cast<int>(std::lround(shape.first_k_dense_replace * share)));
    shape.num_nextn_predict_layers = 0;
  }
  shape.num_hidden_layers = layers;
}

ModelShape shape_from_columns(const Row& row) {
  ModelShape shape;
  shape.name = row.text("model");
  shape.hidden_size = row.integer("hidden");
  shape.num_hidden_layers = row.integer("layers");
  shape.num_attention_heads = row.integer("heads");
  shape.num_key_value_heads = row.integer("kv_heads", shape.num_attention_heads);
  if (shape.num_key_value_heads == 0) shape.num_key_value_heads = shape.num_attention_heads;
  shape.head_dim =
      shape.num_attention_heads > 0 ? shape.hidden_size / shape.num_attention_heads : 0;
  shape.vocab_size = row.integer("vocab", 50304);
  shape.intermediate_size = row.integer("ffn");
  shape.n_routed_experts = row.integer("experts");
  shape.num_experts_per_tok = row.integer("topk");
  shape.moe_intermediate_size = row.integer("expert_ffn");
  shape.shared_intermediate_size = row.integer("shared_experts") * shape.moe_intermediate_size;
  if (row.word("kv_heads") == "mla") {  // DeepSeek's ranks
    shape.kv_lora_rank = 512;
    shape.q_lora_rank = 1536;
    shape.qk_nope_head_dim = shape.v_head_dim = 128;
    shape.qk_rope_head_dim = 64;
    shape.num_key_value_heads = shape.num_attention_heads;
  }
  // Two or three matrices in an MLP: whichever gives the stated size.
  const double stated = row.number("params_b") * 1e9;
  const auto miss = [&](bool gated) {
    ModelShape tried = shape;
    tried.gated_mlp = gated;
    return std::abs(static_cast<double>(count_parameters(tried).main()) - stated);
  };
  shape.gated_mlp = stated <= 0 || miss(true) <= miss(false);
  shape.learned_positions = !shape.gated_mlp && row.word("arch") == "dense-mha";
  return shape;
}

ModelShape shape_of(const Row& row) {
  ModelShape shape;
  const ModelShape* known = find_in_book(row);
  if (known != nullptr && (known->is_moe() || known->is_mla())) {
    shape = *known;
    resize_layers(shape, row.integer("layers"));
  } else {
    shape = shape_from_columns(row);
  }
  if (has(row.word("other"), "w/o mtp")) shape.num_nextn_predict_layers = 0;
  return shape;
}

// "arXiv:2205.05198" is 2022.37; "26.04 NeMo" is 2026.29; else what the device's age suggests.
double year_of(const Row& row) {
  const std::string source = row.word("source"), other = row.word("other");
  const auto two = [](const std::string& text, std::size_t at) {
    return (text[at] - '0') * 10 + (text[at + 1] - '0');
  };
  const auto digits = [](const std::string& text, std::size_t at, std::size_t n) {
    return at + n <= text.size() &&
           std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at),
                       text.begin() + static_cast<std::ptrdiff_t>(at + n),
                       [](unsigned char letter) { return std::isdigit(letter) != 0; });
  };
  if (const std::size_t nemo = other.find(" nemo"); nemo != std::string::npos && nemo >= 5) {
    for (std::size_t at = 0; at + 5 <= nemo; ++at) {
      if (digits(other, at, 2) && other[at + 2] == '.' && digits(other, at + 3, 2)) {
        const bool patched = digits(other, at + 6, 2) && other[at + 5] == '.';
        return 2000 + two(other, at) + (two(other, at + 3) - 0.5) / 12.0 + (patched ? 0.04 : 0);
      }
    }
  }
  if (const std::size_t arxiv = source.find("arxiv:"); arxiv != std::string::npos) {
    if (digits(source, arxiv + 6, 4)) {
      // Work is half a year old when it is published.
      return 2000 + two(source, arxiv + 6) + two(source, arxiv + 8) / 12.0 - 0.4;
    }
  }
  if (has(source, "bigscience") || has(source, "vtrain")) return 2022.2;
  const std::string hardware = row.word("hardware");
  if (has(source, "foundry")) return hardware.starts_with("h") ? 2023.9 : 2023.6;
  if (has(source, "fsdp")) return 2024.0;
  if (hardware.starts_with("a100") || hardware.starts_with("a800")) return 2022.9;
  if (hardware.starts_with("tpuv4") || hardware.starts_with("v100")) return 2022.0;
  if (hardware.starts_with("h800") || hardware.starts_with("mi300")) return 2024.8;
  if (has(source, "megatron") || has(source, "nvidia")) return 2025.4;
  return hardware.starts_with("h") ? 2024.8 : 2025.8;
}

bool shards_weights(const Row& row) {
  const std::string fsdp = row.word("fsdp");
  if (fsdp.empty()) return has(row.word("source"), "fsdp") || has(row.word("source"), "titan");
  return fsdp != "0" && !fsdp.starts_with("zero") && !has(fsdp, "zero2");
}

// DualPipe, tiles of FP8 and V3's recomputing: by its schedule, or because the report that says so
// of all of the run is the source.
bool is_deepseek_run(const Row& row) {
  return has(row.word("schedule"), "dualpipe") || has(row.word("source"), "arxiv:2412.19437");
}

Software software_for(const Row& row, const Device& device, const ModelShape& shape) {
  const std::string other = row.word("other");
  const Framework framework = is_deepseek_run(row)  ? Framework::kDeepSeek
                              : shards_weights(row) ? Framework::kFsdp
                                                    : Framework::kMegatron;
  Software software = software_of(year_of(row), framework, device);
  if (has(other, "deepep")) software.dispatcher = Dispatcher::kDeepEp;
  if (has(other, "a2a dispatcher")) software.dispatcher = Dispatcher::kAllToAll;
  if (has(other, "a2a overlap")) software.hides_ep = true;
  const bool vendor = has(row.word("source"), "nvidia") || has(row.word("source"), "megatron") ||
                      has(row.word("source"), "simumax");
  software.forced_balance = shape.is_moe() && (has(other, "forced") || vendor);
  return software;
}

NumberFormat format_of(const Row& row) {
  const std::string precision = row.word("precision");
  if (has(precision, "fp4")) return NumberFormat::kNvfp4;
  if (has(precision, "mx")) {
    return precision.starts_with("fp8-cs") ? NumberFormat::kFp8 : NumberFormat::kMxfp8;
  }
  if (precision.starts_with("fp8")) {
    return is_deepseek_run(row) ? NumberFormat::kFp8Block : NumberFormat::kFp8;
  }
  if (precision == "fp16") return NumberFormat::kFp16;
  return precision.starts_with("fp32") ? NumberFormat::kFp32 : NumberFormat::kBf16;
}

// The least that fits, where nobody says; before 2023 full recompute was the rule.
RecomputeMode recompute_of(const Row& row, double year) {
  const std::string word = row.word("recompute");
  if (word.empty() && is_deepseek_run(row)) return RecomputeMode::kCheap;
  if (word.empty()) return year < 2023 ? RecomputeMode::kFull : RecomputeMode::kNone;
  if (word == "full" || word == "yes" || word == "on") return RecomputeMode::kFull;
  if (word.starts_with("selective")) return RecomputeMode::kSelective;
  if (word == "off" || word == "none" || word == "no") return RecomputeMode::kNone;
  return RecomputeMode::kCheap;
}

void set_schedule(const Row& row, const ModelShape& shape, Layout& layout) {
  const std::string word = row.word("schedule");
  layout.vp = std::max(1, row.integer("vp", 1));
  if (layout.pp == 1) {
    layout.vp = 1;
    layout.schedule = PipelineSchedule::kNone;
  } else if (is_deepseek_run(row)) {
    layout.schedule = PipelineSchedule::kDualPipe;
  } else if (layout.vp > 1) {
    layout.schedule = PipelineSchedule::kInterleaved;
  } else if (word.starts_with("interleaved")) {
    layout.schedule = PipelineSchedule::kInterleaved;
    layout.vp = std::max(1, shape.num_hidden_layers / layout.pp / 2);
  } else {
    layout.schedule = has(word, "zb") ? PipelineSchedule::kZb1p : PipelineSchedule::kOneFOneB;
  }
}

Layout layout_of(const Row& row, const ModelShape& shape, const Software& software, int devices) {
  Layout layout;
  layout.pp = std::max(1, row.integer("pp", 1));
  layout.tp = std::max(1, row.integer("tp", 1));
  layout.cp = std::max(1, row.integer("cp", 1));
  layout.ep = shape.is_moe() ? std::max(1, row.integer("ep", 1)) : 1;
  layout.etp = std::max(1, row.integer("etp", 1));
  layout.dp = std::max(1, devices / (layout.pp * layout.tp * layout.cp));
  layout.micro_batch = std::max(1, row.integer("mbs", 1));
  layout.precision = format_of(row);
  layout.recompute = recompute_of(row, software.year);
  // GSPMD (arXiv:2105.04663) splits every activation; Megatron those between products since 2022.
  layout.sequence_parallel = row.word("hardware").starts_with("tpu") || software.year >= 2022.6 ||
                             layout.recompute == RecomputeMode::kSelective;
  layout.zero_stage = 1;
  if (shards_weights(row)) layout.zero_stage = has(row.word("fsdp"), "grad") ? 2 : 3;
  if (software.year < 2021.5) layout.zero_stage = 0;
  set_schedule(row, shape, layout);
  return layout;
}

std::string device_of(const Row& row) {
  const std::string word = row.word("hardware");
  if (word.starts_with("a100-40")) return "a100-40";
  if (word.starts_with("tpuv")) return "tpu-v" + word.substr(4);
  for (const auto& name : list_devices()) {
    if (word == name) return name;
  }
  std::string best;  // "h100 sxm" is an h100
  for (const auto& name : list_devices()) {
    if (word.starts_with(name) && name.size() > best.size()) best = name;
  }
  return best;
}

Cluster cluster_for(const std::string& device, int devices) {
  static std::map<std::string, Cluster> templates;
  const bool rack = device.starts_with("gb");
  const char* site = rack ? "gb200-nvl72" : device.starts_with("tpu") ? "tpu-v4-6144" : "h100-512";
  const auto [found, is_new] = templates.try_emplace(device);
  if (is_new) {
    const Cluster base = load_cluster(site);
    found->second = base.device.name == device ? base : with_device(base, load_device(device));
  }
  return with_devices(found->second, devices);
}

// Tokens per second per device from whatever was measured.
double measured_of(const Row& row, const PublishedRun& run) {
  for (const char* column : {"tokens_per_s_gpu", "tokens_per_s_gpu_derived"}) {
    if (row.number(column) > 0) return row.number(column);
  }
  const double devices = row.number("gpus");
  const double tokens = run.request.batch.tokens();
  if (row.number("step_time_s") > 0 && devices > 0) {
    return tokens / row.number("step_time_s") / devices;
  }
  const ModelShape& shape = run.request.model;
  const double sequence = run.request.batch.sequence_length;
  const double per_token = model_flops_per_token(shape, sequence).total();
  const double rate = row.number("tflops_gpu_stated") * 1e12;
  const std::string convention = row.word("tflops_convention");
  if (rate > 0 && has(convention, "96bslh")) {  // with one recomputed forward pass
    const double l = shape.num_hidden_layers, h = shape.hidden_size;
    return rate / (96 * l * h * h * (1 + sequence / (6 * h) + shape.vocab_size / (16 * l * h)));
  }
  if (rate > 0 && has(convention, "model flops")) return rate / per_token;
  const double mfu = row.number("mfu_pct_stated") / 100;
  return mfu > 0 && devices > 0 ? mfu * run.request.cluster.device.bf16_peak.value / per_token : 0;
}

// What is not stated is what would be used: the least recomputation that fits, and without a
// pipeline the largest micro-batch that does.
void choose_unstated(const Row& row, PublishedRun& run) {
  StepTimeRequest& request = run.request;
  const double usable = usable_memory(request.cluster.device);
  const auto fits = [&](const Layout& layout) {
    return memory_use(request.model, layout, request.batch, request.software).total() <= usable;
  };
  if (!row.states("recompute") && request.software.year >= 2023) {
    for (const RecomputeMode mode :
         {RecomputeMode::kNone, RecomputeMode::kCheap, RecomputeMode::kFull}) {
      request.layout.recompute = mode;
      if (fits(request.layout)) break;
    }
    if (!fits(request.layout)) request.layout.recompute = RecomputeMode::kNone;
  }
  if (row.states("mbs") || request.layout.pp > 1) return;
  Layout larger = request.layout;
  for (larger.micro_batch = 2; larger.micro_batch <= 16; larger.micro_batch *= 2) {
    if (n_micro_batches(larger, request.batch.global_batch) == 0 || !fits(larger)) break;
    request.layout.micro_batch = larger.micro_batch;
  }
}

// The stated batch, or one that keeps every rank busy; rounded to what the layout divides.
std::int64_t batch_of(const Row& row, const Layout& layout) {
  const double unit = static_cast<double>(layout.dp) * layout.micro_batch;
  const double stated = row.number("gbs_seqs");
  const double wanted = stated > 0 ? stated : unit * std::max(1, 4 * layout.pp);
  return static_cast<std::int64_t>(std::max(1.0, std::round(wanted / unit)) * unit);
}

std::string missing(const Row& row) {
  if (!row.states("gpus") || row.number("gpus") < 1) return "no number of devices";
  if (!row.states("hidden") || !row.states("layers")) return "no model dimensions";
  if (!row.states("seq_len")) return "no sequence length";
  if (device_of(row).empty()) return "a device that is not in the book";
  return "";
}

std::string group_of(const std::string& id) { return id.substr(0, id.rfind('-')); }

// Columns that hold a number or nothing; a unit may follow it.
void refuse_damaged(const PublishedRow& row, const std::string& where) {
  for (const char* column :
       {"gpus",       "layers", "hidden",  "heads",    "ffn", "experts",     "topk",
        "expert_ffn", "vocab",  "seq_len", "gbs_seqs", "mbs", "tp",          "pp",
        "vp",         "cp",     "ep",      "etp",      "dp",  "step_time_s", "tokens_per_s_gpu",
        "memory_gib"}) {
    const auto found = row.find(column);
    if (found == row.end() || found->second.empty()) continue;
    const std::string& text = found->second;
    double value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || !std::isfinite(value) || value < 0) {
      throw_bad_input({where, column, text.substr(0, 40), "a number, not negative", ""});
    }
  }
}

}  // namespace

std::vector<PublishedRow> read_published(const std::string& text, const std::string& where) {
  const auto lines = split_csv(text);
  if (lines.empty()) throw_bad_input({where, "empty", "", "a line of column names", ""});
  const auto& names = lines.front();
  for (const char* column : {"id", "hardware", "gpus", "layers", "hidden", "heads", "seq_len"}) {
    if (std::find(names.begin(), names.end(), column) != names.end()) continue;
    throw_bad_input(
        {where + ":1", "no column", column, "the columns of bench/data/validation.csv", ""});
  }
  std::vector<PublishedRow> rows;
  for (std::size_t line = 1; line < lines.size(); ++line) {
    if (lines[line].size() == 1 && lines[line].front().empty()) continue;
    if (lines[line].size() > names.size()) {
      throw_bad_input({fmt::format("{}: row {}", where, line), "too many fields",
                       fmt::format("{}", lines[line].size()), fmt::format("{}", names.size()), ""});
    }
    PublishedRow row;
    for (std::size_t i = 0; i < lines[line].size(); ++i) row[names[i]] = lines[line][i];
    refuse_damaged(row, fmt::format("{}: row {} ({})", where, line, row["id"]));
    rows.push_back(std::move(row));
  }
  if (rows.empty()) throw_bad_input({where, "no rows", "a heading alone", "rows of runs", ""});
  return rows;
}

PublishedRun to_run(const PublishedRow& fields) {
  const Row row(fields);
  PublishedRun run;
  run.id = row.text("id");
  run.group = group_of(run.id);
  run.family = run.group + " " + row.text("model") + " " + row.text("hardware");
  run.is_held_out = run.group == "DSV3" && has(row.word("hardware"), "h800");
  run.skipped = missing(row);
  if (!run.skipped.empty()) return run;
  const int devices = row.integer("gpus");
  const std::string device = device_of(row);
  run.request.model = shape_of(row);
  if (!validate(run.request.model).empty()) {
    run.skipped = "model dimensions that do not fit together";
    return run;
  }
  run.request.cluster = cluster_for(device, devices);
  run.request.software = software_for(row, run.request.cluster.device, run.request.model);
  run.request.batch.sequence_length = row.integer("seq_len");
  run.request.layout = layout_of(row, run.request.model, run.request.software, devices);
  run.request.batch.global_batch = batch_of(row, run.request.layout);
  choose_unstated(row, run);
  run.has_layout = row.states("tp") || row.states("pp") || row.states("fsdp") || devices == 1 ||
                   run.request.layout.zero_stage == 3;
  run.is_complete =
      run.has_layout && row.states("mbs") && row.states("precision") && row.states("recompute");
  run.measured = measured_of(row, run);
  run.measured_memory_bytes = row.number("memory_gib") * 1024 * 1024 * 1024;
  if (run.measured <= 0) run.skipped = "nothing measured that can be compared";
  return run;
}

}  // namespace farthing
