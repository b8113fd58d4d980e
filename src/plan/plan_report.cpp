// plan_report.cpp - a plan as JSON and as text.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "plan/accounting.h"
#include "plan/plan.h"
#include "report/table.h"

namespace farthing {
namespace {

template <class Visitor>
void visit_parts(const StepParts& parts, Visitor&& visit) {
  visit("attention projections", "attention", parts.attention);
  visit("attention core", "attention_core", parts.attention_core);
  visit("dense and shared MLP", "mlp", parts.mlp);
  visit("routed experts", "experts", parts.experts);
  visit("head and loss", "head", parts.head);
  visit("memory-bound work", "elementwise", parts.elementwise);
  visit("recomputation", "recompute", parts.recompute);
  visit("waiting for the host", "host", parts.host);
  visit("tensor-parallel traffic, exposed", "tp_exposed", parts.tp_exposed);
  visit("context-parallel traffic, exposed", "cp_exposed", parts.cp_exposed);
  visit("dispatch: exposed, and compute it slows", "ep_exposed", parts.ep_exposed);
  visit("waiting for the fullest expert", "imbalance", parts.imbalance);
  visit("pipeline bubble: idle, sends included", "bubble", parts.bubble);
  visit("gradient traffic, exposed", "dp_exposed", parts.dp_exposed);
  visit("optimizer", "optimizer", parts.optimizer);
  visit("waiting for the slowest node", "waiting", parts.waiting);
}

Json json_of(const MemoryUse& memory) {
  return {{"weights", memory.weights},     {"gradients", memory.gradients},
          {"optimizer", memory.optimizer}, {"activations", memory.activations},
          {"transient", memory.transient}, {"total", memory.total()},
          {"fullest_stage", memory.stage}};
}

Json json_of(const Quantiles& exact) {
  const Quantiles quantiles = as_printed(exact);
  return {{"p10", quantiles.p10}, {"p50", quantiles.p50}, {"p90", quantiles.p90}};
}

Json json_of(const Candidate& candidate) {
  return {{"layout", to_json(candidate.layout)},
          {"step_seconds", candidate.time.step_seconds},
          {"tokens_per_second", candidate.time.tokens_per_second},
          {"mfu", candidate.time.mfu},
          {"memory_bytes", json_of(candidate.memory)}};
}

void add_best(Json& json, const Plan& plan) {
  const Candidate& best = plan.best();
  const StepTime& time = best.time;
  json["layout"] = to_json(best.layout);
  json["step_seconds"] = time.step_seconds;
  json["tokens_per_second"] = time.tokens_per_second;
  json["tokens_per_second_per_device"] = time.tokens_per_second_per_device;
  json["model_flops_per_second_per_device"] = time.model_flops_per_second_per_device;
  json["mfu"] = time.mfu;
  json["bubble_share"] = time.bubble_share;
  json["hidden_communication_share"] = time.hidden_communication_share;
  json["max_expert_load"] = time.max_expert_load;
  json["memory_bytes"] = json_of(best.memory);
  json["usable_memory_bytes"] = plan.usable_memory_bytes;
  visit_parts(time.parts, [&](const char*, const char* key, double seconds) {
    json["where_time_goes"][key] = seconds;
  });
}

void add_run(Json& json, const Plan& plan) {
  json["tokens"] = plan.request.tokens;
  json["steps"] = plan.n_steps;
  json["gpu_hours"] = plan.gpu_hours;
  json["compute_gpu_hours"] = plan.compute_gpu_hours;
  json["waiting_gpu_hours"] = plan.waiting_gpu_hours;
  json["days"] = plan.days;
  json["goodput"] = plan.goodput;
  json["failures_expected"] = plan.failures_expected;
  json["checkpoint_bytes"] = plan.checkpoint_bytes;
  json["checkpoint_every_seconds"] = plan.checkpoint_every_seconds;
  json["power_watts"] = plan.power_watts;
  json["energy_joules"] = plan.energy_joules;
  const Figure& pue = plan.request.cluster.facility.pue;
  json["pue"] = pue.is_known() ? pue.value : kUsualPue;
  json["meets_deadline"] = plan.meets_deadline;
  json["p_deadline"] = plan.request.deadline_seconds > 0
                           ? Json(std::round(100 * plan.p_deadline) / 100)
                           : Json(nullptr);
  json["range"] = {{"step_seconds", json_of(plan.range.step_seconds)},
                   {"tokens_per_second", json_of(plan.range.tokens_per_second)},
                   {"mfu", json_of(plan.range.mfu)},
                   {"gpu_hours", json_of(plan.range.gpu_hours)},
                   {"days", json_of(plan.range.days)}};
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string layouts_text(const Plan& plan) {
  Table table{{"layout", "step", "tokens/s per device", "MFU of BF16", "memory"}, {}};
  for (const Candidate& each : plan.best_layouts) {
    table.rows.push_back({describe(each.layout), format_seconds(each.time.step_seconds),
                          fmt::format("{:.0f}", each.time.tokens_per_second_per_device),
                          percent(each.time.mfu), format_bytes(each.memory.total())});
  }
  return to_text(table);
}

std::string memory_text(const Plan& plan) {
  const MemoryUse& memory = plan.best().memory;
  return to_text(Table{{fmt::format("memory of the fullest device (stage {})", memory.stage), ""},
                       {{"weights", format_bytes(memory.weights)},
                        {"gradients", format_bytes(memory.gradients)},
                        {"optimizer", format_bytes(memory.optimizer)},
                        {"activations", format_bytes(memory.activations)},
                        {"transient and library", format_bytes(memory.transient)},
                        {"in all", format_bytes(memory.total())},
                        {"usable", format_bytes(plan.usable_memory_bytes)}}});
}

std::string seconds_range(const Quantiles& exact, double seconds) {
  const Quantiles q = as_printed(exact);
  return fmt::format("{} ({} to {})", format_seconds(q.p50 * seconds),
                     format_seconds(q.p10 * seconds), format_seconds(q.p90 * seconds));
}

std::string run_text(const Plan& plan) {
  const Candidate& best = plan.best();
  Table table{{"the run", "median (P10 to P90)"}, {}};
  auto& rows = table.rows;
  rows.push_back({"tokens", format_count(plan.request.tokens)});
  rows.push_back({"step", seconds_range(plan.range.step_seconds, 1)});
  rows.push_back({"tokens/s per device",
                  fmt::format("{:.0f} ({:.0f} to {:.0f})", best.time.tokens_per_second_per_device,
                              plan.range.tokens_per_second.p10 / best.layout.n_devices(),
                              plan.range.tokens_per_second.p90 / best.layout.n_devices())});
  rows.push_back({"device-hours, no interruption", format_count(plan.compute_gpu_hours)});
  rows.push_back({"device-hours held: with what is lost, restarts",
                  fmt::format("{} ({} to {})", format_count(plan.range.gpu_hours.p50),
                              format_count(as_printed(plan.range.gpu_hours).p10),
                              format_count(as_printed(plan.range.gpu_hours).p90))});
  const Figure& availability = plan.request.cluster.spot.availability;
  if (plan.waiting_gpu_hours > 0 || (availability.is_known() && availability.value < 1)) {
    rows.push_back(
        {"device-hours waiting for capacity: none held", format_count(plan.waiting_gpu_hours)});
  }
  rows.push_back({"time", seconds_range(plan.range.days, 86400)});
  if (plan.request.deadline_seconds > 0) {
    rows.push_back({"done within " + format_seconds(plan.request.deadline_seconds),
                    fmt::format("with probability {:.0f} %", 100 * plan.p_deadline)});
  }
  rows.push_back({"goodput", percent(plan.goodput)});
  rows.push_back({"failures expected", format_count(plan.failures_expected)});
  rows.push_back({"checkpoint", format_bytes(plan.checkpoint_bytes) + " every " +
                                    format_seconds(plan.checkpoint_every_seconds)});
  rows.push_back({"power at the site", format_watts(plan.power_watts)});
  rows.push_back({"energy at the site", format_energy(plan.energy_joules)});
  rows.push_back({"pipeline bubble", percent(best.time.bubble_share)});
  rows.push_back({"traffic hidden behind compute", percent(best.time.hidden_communication_share)});
  if (plan.request.model.is_moe()) {
    rows.push_back(
        {"fullest expert rank", plan.request.software->forced_balance
                                    ? "1.00 x mean: forced balance"
                                    : fmt::format("{:.2f} x mean", best.time.max_expert_load)});
    const double spread = constants_for(plan.request.cluster).expert_imbalance;
    rows.push_back(
        {"spread of one expert's load",
         fmt::format(
             "{:.2f}, {}", spread,
             plan.request.routing.empty() ? "assumed" : "measured in " + plan.request.routing)});
  }
  return to_text(table);
}

std::string changes_text(const Plan& plan) {
  if (plan.changes.empty()) return "";
  Table table{{"what would help most", "tokens/s", "layout"}, {}};
  for (const Change& change : plan.changes) {
    table.rows.push_back({change.what, fmt::format("{:+.1f} %", 100 * (change.speedup - 1)),
                          describe(change.layout)});
  }
  return to_text(table);
}

std::string shortfall_text(const Plan& plan) {
  std::string text;
  if (plan.shortfall) {
    text += fmt::format("DOES NOT FIT: {} too much on stage {} of {}\n",
                        format_bytes(plan.shortfall->missing_bytes),
                        plan.shortfall->nearest.memory.stage, plan.shortfall->nearest.layout.pp);
    text += to_text(Table{{},
                          {{"nearest:", describe(plan.shortfall->nearest.layout)},
                           {"what would fit:", plan.shortfall->cheapest_change}}}) +
            "\n";
  }
  return text;
}

std::string rejections_text(const Plan& plan) {
  if (plan.rejections.empty()) return "";
  std::string text = fmt::format("{} layouts tried; set aside:\n", plan.n_layouts_tried);
  Table table;
  for (const Rejection& rejection : plan.rejections) {
    table.rows.push_back({fmt::format("{:6}", rejection.count), rejection.reason});
    if (!rejection.nearest.empty()) table.rows.push_back({"", "nearest " + rejection.nearest});
  }
  return text + to_text(table) + "\n";
}

std::string uncertainty_text(const Plan& plan) {
  Table table{{"what the range comes from", "uncertain by", "moves the step by"}, {}};
  for (std::size_t i = 0; i < std::min<std::size_t>(5, plan.sensitivities.size()); ++i) {
    const Sensitivity& each = plan.sensitivities[i];
    table.rows.push_back(
        {each.constant, fmt::format("{:.0f} %", 100 * each.relative_sd),
         fmt::format("{:.1f} %", 100 * std::abs(each.elasticity * each.relative_sd))});
  }
  return to_text(table);
}

}  // namespace

Table step_parts_table(const Plan& plan) {
  const StepTime& time = plan.best().time;
  Table table{{"where a step's time goes", "seconds", "share"}, {}};
  visit_parts(time.parts, [&](const char* words, const char*, double seconds) {
    if (std::abs(seconds) < 1e-4 * time.step_seconds) return;
    table.rows.push_back(
        {words, fmt::format("{:.3f}", seconds), percent(seconds / time.step_seconds)});
  });
  return table;
}

Json to_json(const Layout& layout) {
  return {{"pp", layout.pp},
          {"ep", layout.ep},
          {"dp", layout.dp},
          {"tp", layout.tp},
          {"cp", layout.cp},
          {"vp", layout.vp},
          {"etp", layout.etp},
          {"micro_batch", layout.micro_batch},
          {"schedule", name(layout.schedule)},
          {"zero_stage", layout.zero_stage},
          {"recompute", name(layout.recompute)},
          {"precision", name(layout.precision)}};
}

Json to_json(const Plan& plan) {
  Json json{{"model", plan.request.model.name},
            {"cluster", plan.request.cluster.name},
            {"devices", plan.best().layout.n_devices()},
            {"fits", plan.fits}};
  json["sequence_length"] = plan.best().batch.sequence_length;
  json["global_batch"] = plan.best().batch.global_batch;
  json["software"] = describe(*plan.request.software);
  json["forced_balance"] = plan.request.software->forced_balance;
  if (!plan.request.routing.empty()) json["routing_measured_in"] = plan.request.routing;
  add_best(json, plan);
  add_run(json, plan);
  json["layouts_tried"] = plan.n_layouts_tried;
  for (const Candidate& each : plan.best_layouts) json["best_layouts"].push_back(json_of(each));
  json["rejections"] = Json::array();
  for (const Rejection& each : plan.rejections) {
    json["rejections"].push_back(
        {{"reason", each.reason}, {"count", each.count}, {"nearest", each.nearest}});
  }
  json["changes"] = Json::array();
  for (const Change& each : plan.changes) {
    json["changes"].push_back({{"what", each.what},
                               {"speedup", each.speedup},
                               {"step_seconds", each.step_seconds},
                               {"layout", to_json(each.layout)}});
  }
  if (plan.shortfall) {
    json["shortfall"] = {{"missing_bytes", plan.shortfall->missing_bytes},
                         {"stage", plan.shortfall->nearest.memory.stage},
                         {"layout", to_json(plan.shortfall->nearest.layout)},
                         {"cheapest_change", plan.shortfall->cheapest_change}};
  }
  for (const Sensitivity& each : plan.sensitivities) {
    json["sensitivities"].push_back({{"constant", each.constant},
                                     {"relative_sd", each.relative_sd},
                                     {"elasticity", each.elasticity}});
  }
  return json;
}

std::string to_text(const Plan& plan) {
  const PlanRequest& request = plan.request;
  std::string text = wrapped(request.model.name + ": " + describe(request.model));
  text += fmt::format("{}: {} x {}\n", request.cluster.name, request.cluster.n_devices(),
                      request.cluster.device.name);
  text += wrapped(describe(*request.software));
  text += fmt::format("{} sequences of {} tokens a step\n\n", plan.best().batch.global_batch,
                      plan.best().batch.sequence_length);
  text += shortfall_text(plan);
  text += layouts_text(plan) + "\n" + rejections_text(plan);
  text += run_text(plan) + "\n" + to_text(step_parts_table(plan)) + "\n";
  text += memory_text(plan) + "\n" + changes_text(plan) + "\n" + uncertainty_text(plan);
  return text;
}

}  // namespace farthing
