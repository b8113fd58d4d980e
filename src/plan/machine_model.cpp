// machine_model.cpp - work counted part by part, the fit, and the file.
#include "plan/machine_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "config/accounting.h"
#include "config/settings.h"
#include "report/table.h"

namespace farthing {
namespace {

constexpr const char* kPartNames[kMachineParts] = {"products", "surface",    "core",
                                                   "passes",   "parameters", "blocks"};
enum MachinePart { kProducts, kSurface, kCore, kPasses, kParameters, kBlocks };

// Adds y [m, n] = x [m, k] w [k, n], dx and dw; `matrices` weights share the m rows.
void add_machine_product(MachineWork& work, double m, double n, double k, double matrices = 1) {
  work[kProducts] += 6 * m * n * k;
  work[kSurface] += 3 * 4 * (m * k + m * n + matrices * k * n);
}

void add_machine_attention(MachineWork& work, const ModelConfig& c, double tokens, int sequence) {
  const double hidden = c.hidden_size, heads = c.num_attention_heads;
  const double query = heads * c.qk_head_dim(), value = heads * c.v_head_dim;
  const double up = heads * (c.qk_nope_head_dim + c.v_head_dim);
  const double latent = c.kv_lora_rank + c.qk_rope_head_dim;
  if (c.q_lora_rank) {
    add_machine_product(work, tokens, *c.q_lora_rank, hidden);
    add_machine_product(work, tokens, query, *c.q_lora_rank);
  } else {
    add_machine_product(work, tokens, query, hidden);
  }
  add_machine_product(work, tokens, latent, hidden);
  add_machine_product(work, tokens, up, c.kv_lora_rank);
  add_machine_product(work, tokens, hidden, value);
  // Causal: half of the square; forward, and the backward pass with its scores again.
  work[kCore] += tokens * sequence * heads * (c.qk_head_dim() + c.v_head_dim) * 3.5;
  work[kPasses] += 4 * tokens * 3 * (4 * hidden + 2 * (query + up) + 2 * latent);
}

void add_machine_mlp(MachineWork& work, double rows, double width, double hidden, double count) {
  if (width <= 0) return;
  add_machine_product(work, rows, 2 * width, hidden, count);
  add_machine_product(work, rows, hidden, width, count);
  work[kPasses] += 4 * rows * 2 * 3 * width;
}

void add_machine_block(MachineWork& work, const ModelConfig& c, bool is_moe, double tokens,
                       int sequence) {
  const double hidden = c.hidden_size;
  add_machine_attention(work, c, tokens, sequence);
  work[kBlocks] += 1;
  if (!is_moe) return add_machine_mlp(work, tokens, c.intermediate_size, hidden, 1);
  const double rows = tokens * c.num_experts_per_tok;
  add_machine_mlp(work, rows, c.moe_intermediate_size, hidden, c.n_routed_experts);
  add_machine_mlp(work, tokens, c.shared_intermediate_size(), hidden, 1);
  add_machine_product(work, tokens, c.n_routed_experts, hidden);
  work[kPasses] += 4 * rows * 3 * 2 * hidden;  // into expert order and back
}

void add_machine_head(MachineWork& work, const ModelConfig& c, double tokens) {
  add_machine_product(work, tokens, c.vocab_size, c.hidden_size);
  work[kPasses] += 4 * tokens * 2.0 * c.vocab_size;
}

// Least squares of sum_j a_ij x_j = 1 with x >= 0, by coordinate descent on scaled columns.
MachineWork fit_rates(const std::vector<MachineSample>& samples) {
  MachineWork scale{}, x{};
  for (int j = 0; j < kMachineParts; ++j) {
    for (const MachineSample& sample : samples) {
      scale[j] += std::pow(sample.work[j] / sample.seconds, 2);
    }
    scale[j] = std::sqrt(scale[j]);
  }
  std::vector<double> residual(samples.size(), 1.0);
  for (int sweep = 0; sweep < 20000; ++sweep) {
    double moved = 0;
    for (int j = 0; j < kMachineParts; ++j) {
      if (!(scale[j] > 0)) continue;
      double gain = 0;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        gain += samples[i].work[j] / samples[i].seconds / scale[j] * residual[i];
      }
      const double next = std::max(0.0, x[j] + gain);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        residual[i] -= samples[i].work[j] / samples[i].seconds / scale[j] * (next - x[j]);
      }
      moved = std::max(moved, std::abs(next - x[j]));
      x[j] = next;
    }
    if (moved < 1e-10) break;
  }
  for (int j = 0; j < kMachineParts; ++j) x[j] = scale[j] > 0 ? x[j] / scale[j] : 0;
  return x;
}

double dot(const MachineWork& a, const MachineWork& b) {
  double sum = 0;
  for (int j = 0; j < kMachineParts; ++j) sum += a[j] * b[j];
  return sum;
}

// Of tables.
constexpr const char* kPartWords[kMachineParts] = {
    "matrix products",         "packing and edges of products", "attention core",
    "norms, SwiGLU, permutes", "AdamW and packing of weights",  "starting the threads"};

}  // namespace

MachineWork machine_work(const ModelConfig& model, int sequence_length, int tokens,
                         int micro_batch) {
  const double micro_tokens = double(micro_batch) * sequence_length;
  MachineWork work{};
  for (int layer = 0; layer < model.n_blocks(); ++layer) {
    add_machine_block(work, model, model.is_moe_layer(layer), micro_tokens, sequence_length);
    if (layer < model.num_hidden_layers) continue;
    add_machine_product(work, micro_tokens, model.hidden_size, 2.0 * model.hidden_size);
    add_machine_head(work, model, micro_tokens);
  }
  add_machine_head(work, model, micro_tokens);
  for (double& part : work) part *= tokens / micro_tokens;
  work[kParameters] = static_cast<double>(count_parameters(model).total());
  return work;
}

double step_seconds(const MachineRates& rates, const MachineWork& work) {
  return dot(rates.seconds_per_unit, work);
}

MachineRates fit_machine(const std::string& precision, const std::vector<MachineSample>& samples) {
  if (samples.size() <= kMachineParts) {
    throw_bad_input({"probe steps", "too few", std::to_string(samples.size()),
                     fmt::format("more than {}", kMachineParts), ""});
  }
  MachineRates rates{precision, fit_rates(samples), 0, static_cast<int>(samples.size())};
  double squares = 0;
  for (std::size_t left = 0; left < samples.size(); ++left) {
    std::vector<MachineSample> others = samples;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(left));
    const double predicted = dot(fit_rates(others), samples[left].work);
    squares += std::pow(predicted / samples[left].seconds - 1, 2);
  }
  rates.width = 1.2816 * std::sqrt(squares / static_cast<double>(samples.size()));
  return rates;
}

const MachineRates& MachineFacts::rates_of(const std::string& precision) const {
  std::string known;
  for (const MachineRates& each : rates) {
    if (each.precision == precision) return each;
    known += (known.empty() ? "" : ", ") + each.precision;
  }
  throw_bad_input({"this machine", "no steps were measured in", precision, known,
                   "farthing doctor --steps --precision " + precision});
}

std::string here_path() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (cache != nullptr && *cache == '/') folder = cache;
  if (folder.empty() && home != nullptr && *home == '/') folder = std::string(home) + "/.cache";
  return folder.empty() ? "" : folder + "/farthing/here.toml";
}

std::string to_toml(const MachineFacts& f) {
  std::string text = fmt::format(
      "# This machine as farthing doctor --steps measured it; farthing plan --cluster here reads "
      "it.\n[machine]\nprobes = {}\ncpu = {}\nisa = {}\nmeasured_on = {}\nthreads = "
      "{}\nmemory_bytes = {}\n"
      "fp32_peak_flops = {}\nwatts_per_core = {}\nenergy_measured = {}\nprogram_bytes = {}\n"
      "auto_precision = {}\n",
      kMachineProbes, toml_text(f.cpu), toml_text(f.isa), toml_text(f.measured_on), f.threads,
      toml_text(f.memory_bytes), toml_text(f.fp32_peak_flops), toml_text(f.watts_per_core),
      toml_text(f.energy_measured), toml_text(f.program_bytes), toml_text(f.auto_precision));
  for (const MachineRates& rates : f.rates) {
    text += fmt::format("\n[[rates]]\nprecision = {}\nwidth = {}\nn_probes = {}\n",
                        toml_text(rates.precision), toml_text(rates.width), rates.n_probes);
    for (int j = 0; j < kMachineParts; ++j) {
      text += fmt::format("{} = {}\n", kPartNames[j], toml_text(rates.seconds_per_unit[j]));
    }
  }
  return text;
}

MachineFacts parse_machine(const std::string& toml, const std::string& where) {
  Settings settings(toml, where);
  MachineFacts f;
  int probes = 1;
  settings.read("machine.probes", probes, {.low = 0, .high = 1e6});
  settings.read("machine.cpu", f.cpu, {});
  settings.read("machine.isa", f.isa, {});
  settings.read("machine.measured_on", f.measured_on, {});
  settings.read("machine.threads", f.threads, {.low = 1, .high = 1 << 20});
  settings.read("machine.memory_bytes", f.memory_bytes, {.low = 0, .high = 1e18});
  settings.read("machine.fp32_peak_flops", f.fp32_peak_flops, {.low = 0, .high = 1e18});
  settings.read("machine.watts_per_core", f.watts_per_core, {.low = 0, .high = 1e4});
  settings.read("machine.energy_measured", f.energy_measured, {});
  settings.read("machine.program_bytes", f.program_bytes, {.low = 0, .high = 1e18});
  settings.read("machine.auto_precision", f.auto_precision, {.words = "fp32 bf16 fp16 fp8"});
  const std::size_t count = settings.count("rates");
  for (std::size_t i = 0; i < count; ++i) {
    const std::string path = fmt::format("rates.{}.", i);
    MachineRates rates;
    settings.read(path + "precision", rates.precision, {.words = "fp32 bf16 fp16 fp8"});
    settings.read(path + "width", rates.width, {.low = 0, .high = 10});
    settings.read(path + "n_probes", rates.n_probes, {.low = 1, .high = 1e6});
    for (int j = 0; j < kMachineParts; ++j) {
      settings.read(path + kPartNames[j], rates.seconds_per_unit[j], {.low = 0, .high = 1e3});
    }
    if (!(dot(rates.seconds_per_unit, rates.seconds_per_unit) > 0)) {
      settings.add_fault(path + "products", "no rate above 0", "seconds per unit of work");
    }
    f.rates.push_back(rates);
  }
  if (count == 0) settings.add_fault("rates", "none", "one [[rates]] or more");
  settings.finish();
  if (probes != kMachineProbes) {
    throw_bad_input({where, "this machine was measured with the probes of another version",
                     std::to_string(probes), std::to_string(kMachineProbes),
                     "farthing doctor --steps measures it again, in about a minute"});
  }
  return f;
}

MachineFacts load_machine(const std::string& path) {
  const std::string file = path.empty() ? here_path() : path;
  if (file.empty() || !file_exists(file)) {
    throw_bad_input({"--cluster here", "this machine was not measured yet", file, "",
                     "farthing doctor --steps measures it, in about a minute"});
  }
  return parse_machine(read_file(file), file);
}

std::string to_toml(const MachineCalibration& c) {
  return fmt::format(
      "# Measured over predicted, of one run; farthing plan MODEL --cluster here --calibration "
      "FILE.\n[calibration]\nrun = {}\nmeasured_on = {}\nstep_seconds = {}\nmemory_bytes = {}\n"
      "joules = {}\n",
      toml_text(c.run), toml_text(c.measured_on), toml_text(c.step_seconds),
      toml_text(c.memory_bytes), toml_text(c.joules));
}

MachineCalibration load_calibration(const std::string& path) {
  Settings settings(read_file(path), path);
  MachineCalibration c;
  settings.read("calibration.run", c.run, {});
  settings.read("calibration.measured_on", c.measured_on, {});
  for (const auto& [key, field] : {std::pair{"step_seconds", &c.step_seconds},
                                   {"memory_bytes", &c.memory_bytes},
                                   {"joules", &c.joules}}) {
    settings.read(std::string("calibration.") + key, *field, {.low = 0.01, .high = 100});
  }
  settings.finish();
  return c;
}

MachinePlan plan_machine(const MachineFacts& facts, const MachineQuestion& question) {
  const Recipe& recipe = question.recipe;
  const bool is_auto = recipe.precision.matmul == "auto";
  MachinePlan plan;
  plan.model = recipe.run.name;
  plan.facts = facts;
  plan.precision = is_auto ? facts.auto_precision : recipe.precision.matmul;
  plan.calibration = question.calibration;
  const MachineCalibration calibration = question.calibration.value_or(MachineCalibration{});
  const MachineRates& rates = facts.rates_of(plan.precision);
  plan.sequence_length = recipe.data.sequence_length;
  plan.micro_batch = std::max(1, recipe.train.micro_batch);
  plan.batch_tokens = recipe.train.batch_tokens;
  plan.parameters = static_cast<double>(count_parameters(recipe.model).total());
  plan.active_parameters = static_cast<double>(count_active_parameters(recipe.model).total());
  plan.model_flops_per_token = model_flops_per_token(recipe.model, plan.sequence_length).total();
  const MachineWork work =
      machine_work(recipe.model, plan.sequence_length, plan.batch_tokens, plan.micro_batch);
  for (int j = 0; j < kMachineParts; ++j) {
    plan.part_seconds[j] = work[j] * rates.seconds_per_unit[j] * calibration.step_seconds;
    plan.step_seconds += plan.part_seconds[j];
  }
  plan.low_seconds = plan.step_seconds / (1 + rates.width);
  plan.high_seconds = plan.step_seconds * (1 + rates.width);
  plan.tokens_per_second = plan.batch_tokens / plan.step_seconds;
  if (facts.fp32_peak_flops > 0) {
    plan.share_of_fp32_peak =
        plan.tokens_per_second * plan.model_flops_per_token / facts.fp32_peak_flops;
  }
  plan.tokens = question.tokens > 0 ? question.tokens : 20 * plan.active_parameters;
  plan.deadline_seconds = question.deadline_seconds;
  plan.n_steps = std::ceil(plan.tokens / plan.batch_tokens);
  plan.hours = plan.n_steps * plan.step_seconds / 3600;
  plan.joules_per_step = facts.watts_per_core * facts.threads * plan.step_seconds /
                         calibration.step_seconds * calibration.joules;
  plan.joules = plan.joules_per_step * plan.n_steps;
  for (const auto& [part, bytes] : question.memory_parts) {
    plan.memory_parts.emplace_back(part, bytes);
    plan.memory_bytes += bytes;
  }
  if (!plan.memory_parts.empty()) {
    plan.memory_parts.emplace_back("the program itself", facts.program_bytes);
    plan.memory_bytes = (plan.memory_bytes + facts.program_bytes) * calibration.memory_bytes;
  }
  return plan;
}

Json to_json(const MachinePlan& p) {
  Json parts = Json::object(), memory = Json::object();
  for (int j = 0; j < kMachineParts; ++j) parts[kPartNames[j]] = p.part_seconds[j];
  for (const auto& [part, bytes] : p.memory_parts) memory[part] = bytes;
  if (p.memory_bytes > 0) memory["total"] = p.memory_bytes;
  Json json = {{"model", p.model},
               {"cluster", "here"},
               {"cpu", p.facts.cpu},
               {"threads", p.facts.threads},
               {"isa", p.facts.isa},
               {"precision", p.precision},
               {"layout",
                {{"pp", 1},
                 {"ep", 1},
                 {"dp", 1},
                 {"tp", 1},
                 {"cp", 1},
                 {"micro_batch", p.micro_batch},
                 {"schedule", "none"}}},
               {"step_seconds", p.step_seconds},
               {"tokens_per_second", p.tokens_per_second},
               {"share_of_fp32_peak", p.share_of_fp32_peak},
               {"where_time_goes", parts},
               {"memory_bytes", p.memory_bytes > 0 ? memory : Json(nullptr)},
               {"tokens", p.tokens},
               {"steps", p.n_steps},
               {"days", p.hours / 24},
               {"core_hours", p.hours * p.facts.threads},
               {"joules", p.joules},
               {"joules_estimated", true},
               {"range",
                {{"step_seconds",
                  {{"p10", p.low_seconds}, {"p50", p.step_seconds}, {"p90", p.high_seconds}}}}}};
  json["meets_deadline"] = p.deadline_seconds > 0 ? Json(p.meets_deadline()) : Json(nullptr);
  if (p.calibration) {
    json["calibration"] = {{"run", p.calibration->run},
                           {"step_seconds", p.calibration->step_seconds},
                           {"memory_bytes", p.calibration->memory_bytes},
                           {"joules", p.calibration->joules}};
  }
  return json;
}

std::string machine_words(const MachinePlan& p) {
  std::string text =
      wrapped(fmt::format("{}: {} parameters, {} active", p.model, format_count(p.parameters),
                          format_count(p.active_parameters)));
  text += wrapped(fmt::format("this machine: {}, {} threads, {}, measured {}", p.facts.cpu,
                              p.facts.threads, p.facts.isa, p.facts.measured_on));
  text += wrapped(fmt::format("{} tokens a step, micro-batch {} of {} tokens, {}", p.batch_tokens,
                              p.micro_batch, p.sequence_length, p.precision));
  if (p.calibration) {
    text += wrapped(fmt::format("calibrated by {}: step x {:.3f}, memory x {:.3f}, joules x {:.3f}",
                                p.calibration->run, p.calibration->step_seconds,
                                p.calibration->memory_bytes, p.calibration->joules));
  }
  return text;
}

std::vector<Table> machine_tables(const MachinePlan& p) {
  Table run{.headings = {"the run", "median (P10 to P90)"}, .rows = {}};
  const auto row = [&](const char* what, const std::string& value) {
    run.rows.push_back({what, value});
  };
  row("step", fmt::format("{} ({} to {})", format_seconds(p.step_seconds),
                          format_seconds(p.low_seconds), format_seconds(p.high_seconds)));
  row("tokens/s", fmt::format("{} ({} to {})", format_rate(p.tokens_per_second),
                              format_rate(p.batch_tokens / p.high_seconds),
                              format_rate(p.batch_tokens / p.low_seconds)));
  row("of the FP32 peak", fmt::format("{:.1f} %", 100 * p.share_of_fp32_peak));
  row("tokens", format_count(p.tokens));
  row("steps", fmt::format("{:.0f}", p.n_steps));
  row("time", fmt::format("{} ({} to {})", format_seconds(p.n_steps * p.step_seconds),
                          format_seconds(p.n_steps * p.low_seconds),
                          format_seconds(p.n_steps * p.high_seconds)));
  if (p.deadline_seconds > 0) {
    row("deadline", fmt::format("{}, {} at the median", format_seconds(p.deadline_seconds),
                                p.meets_deadline() ? "met" : "missed"));
  }
  row("energy, estimated", format_energy(p.joules));
  row("most memory", p.memory_bytes > 0 ? format_bytes(p.memory_bytes) : "not stated");
  Table parts{.headings = {"where a step's time goes", "seconds", "share"}, .rows = {}};
  for (int j = 0; j < kMachineParts; ++j) {
    parts.rows.push_back({kPartWords[j], fmt::format("{:.4f}", p.part_seconds[j]),
                          fmt::format("{:.1f} %", 100 * p.part_seconds[j] / p.step_seconds)});
  }
  if (p.memory_parts.empty()) return {run, parts};
  Table memory{.headings = {"memory", "bytes"}, .rows = {}};
  for (const auto& [part, bytes] : p.memory_parts) {
    memory.rows.push_back({part, format_bytes(bytes)});
  }
  return {run, parts, memory};
}

std::string to_text(const MachinePlan& p) {
  std::string text = machine_words(p);
  for (const Table& table : machine_tables(p)) {
    text += '\n';
    text += to_text(table);
  }
  return text;
}

}  // namespace farthing
