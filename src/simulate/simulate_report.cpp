// simulate_report.cpp - a simulation as text and as JSON.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "simulate/simulate_plan.h"

namespace farthing {
namespace {

Json to_json(const Spread& spread) {
  return {{"p2_5", spread.low}, {"p10", spread.p10},    {"p50", spread.p50},
          {"p90", spread.p90},  {"p97_5", spread.high}, {"mean", spread.mean}};
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }
std::string days(double seconds) { return fmt::format("{:.2f}", seconds / 86400); }

std::string number(double value) {
  if (value != 0 && (value < 0.01 || value >= 1e5)) return fmt::format("{:.2e}", value);
  return fmt::format("{:.4g}", value);
}

Json step_json(const Simulation& s) {
  const StepTime& step = s.plan.best().time;
  const StageCost& stage = step.costs.stages.front();
  return {{"schedule", to_string(s.schedule.kind)},
          {"ranks", s.schedule.n_ranks()},
          {"micro_batches", s.schedule.n_micro_batches},
          {"step_seconds", s.timeline.step_seconds},
          {"pipeline_seconds", s.timeline.pipeline_seconds},
          {"bubble_seconds", s.timeline.bubble_seconds},
          {"bubble_share", s.timeline.bubble_share},
          {"tail_seconds", step.costs.tail_seconds},
          {"waiting_share", step.costs.waiting_share},
          {"send_seconds", step.costs.send_seconds},
          {"first_stage",
           {{"forward", stage.forward},
            {"backward_input", stage.backward_input},
            {"backward_weight", stage.backward_weight},
            {"pair_share", stage.pair_share}}}};
}

Json run_json(const SimulatedOutcome& outcome) {
  Json seconds = Json::object(), causes = Json::object();
  for (int i = 0; i < kRunSeconds; ++i) {
    seconds[to_string(static_cast<RunSecond>(i))] = outcome.seconds[static_cast<std::size_t>(i)];
  }
  for (std::size_t i = 0; i < outcome.failures_by_cause.size(); ++i) {
    if (outcome.failures_by_cause[i] > 0) {
      causes[failure_causes()[i].name] = outcome.failures_by_cause[i];
    }
  }
  return {{"finished", outcome.finished},
          {"wall_seconds", outcome.wall_seconds},
          {"goodput", outcome.goodput},
          {"checkpoint_interval_seconds", outcome.checkpoint_interval},
          {"failures", outcome.n_failures},
          {"planned_stops", outcome.n_planned},
          {"preemptions", outcome.n_preempted},
          {"stragglers", outcome.n_stragglers},
          {"failures_by_cause", causes},
          {"seconds", seconds}};
}

}  // namespace

Json to_json(const Simulation& s) {
  Json tornado = Json::array(), inputs = Json::array(), losses = Json::array();
  for (const TornadoBar& bar : s.days.tornado) {
    tornado.push_back({{"input", bar.name},
                       {"input_p10", bar.input_low},
                       {"input_p90", bar.input_high},
                       {"days_at_p10", bar.output_low},
                       {"days_at_p90", bar.output_high}});
  }
  for (const UncertainInput& input : s.inputs) {
    inputs.push_back({{"name", input.name},
                      {"low", input.low},
                      {"median", input.median},
                      {"high", input.high},
                      {"unit", input.unit},
                      {"source", input.source}});
  }
  for (const ExpectedLoss& loss : s.losses) {
    losses.push_back({{"law", loss.law.name},
                      {"source", loss.law.source},
                      {"loss", loss.loss},
                      {"p10", loss.low},
                      {"p90", loss.high},
                      {"width", loss.law.width},
                      {"width_source", loss.law.width_source},
                      {"remark", loss.remark}});
  }
  return {{"model", s.plan.request.model.name},
          {"cluster", s.plan.request.cluster.name},
          {"devices", s.job.n_devices},
          {"tokens", s.plan.request.tokens},
          {"steps", s.job.n_steps},
          {"seed", s.options.seed},
          {"layout", describe(s.plan.best().layout)},
          {"step", step_json(s)},
          {"run", run_json(s.outcome)},
          {"band",
           {{"runs", s.band.n_runs},
            {"unfinished", s.band.n_unfinished},
            {"wall_seconds", to_json(s.band.wall_seconds)},
            {"goodput", to_json(s.band.goodput)},
            {"interruptions", to_json(s.band.failures)}}},
          {"days", to_json(s.days.output)},
          {"tornado", tornado},
          {"inputs", inputs},
          {"expected_loss", losses},
          {"batch",
           {{"critical_tokens", s.batch.critical_tokens},
            {"deepseek_tokens", s.batch.deepseek_tokens},
            {"deepseek_learning_rate", s.batch.deepseek_rate}}}};
}

Table run_seconds_table(const Simulation& s) {
  Table table{.headings = {"where the run's time goes", "this run", "share", "mean of many"},
              .rows = {}};
  const auto shown = [](double seconds) {  // what clocks leave over by rounding is none
    return format_seconds(seconds < 1e-3 ? 0 : seconds);
  };
  for (int i = 0; i < kRunSeconds; ++i) {
    const auto kind = static_cast<RunSecond>(i);
    const double mean = s.band.mean_seconds[static_cast<std::size_t>(i)];
    if (s.outcome[kind] < 0.5 && mean < 0.5) continue;
    table.rows.push_back({describe(kind), shown(s.outcome[kind]),
                          percent(s.outcome[kind] / s.outcome.wall_seconds), shown(mean)});
  }
  return table;
}

Table failures_table(const Simulation& s) {
  Table table{.headings = {"unexpected interruptions", "this run", "expected"}, .rows = {}};
  std::vector<std::size_t> order(failure_causes().size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  double unseen = 0;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return s.outcome.failures_by_cause[a] > s.outcome.failures_by_cause[b];
  });
  for (const std::size_t i : order) {
    if (s.outcome.failures_by_cause[i] == 0) {
      unseen += failure_causes()[i].share * s.band.failures.mean;
      continue;
    }
    table.rows.push_back({failure_causes()[i].name, std::to_string(s.outcome.failures_by_cause[i]),
                          fmt::format("{:.1f}", failure_causes()[i].share * s.band.failures.mean)});
  }
  if (unseen > 0) {
    table.rows.push_back({"other causes, none in this run", "0", fmt::format("{:.1f}", unseen)});
  }
  table.rows.push_back(
      {"all", std::to_string(s.outcome.n_failures), fmt::format("{:.1f}", s.band.failures.mean)});
  return table;
}

namespace {
// With its unit; seconds in the unit of their size.
std::string with_unit(double value, const std::string& unit) {
  return unit == "s" ? format_seconds(value) : number(value) + (unit.empty() ? "" : " " + unit);
}

std::string unit_of_input(const Simulation& s, const std::string& name) {
  for (const UncertainInput& input : s.inputs) {
    if (input.name == name) return input.unit;
  }
  return "";
}
}  // namespace

Table tornado_table(const Simulation& s) {
  Table table{.headings = {"what matters", "P10", "P90", "days at P10", "days at P90"}, .rows = {}};
  for (const TornadoBar& bar : s.days.tornado) {
    const std::string unit = unit_of_input(s, bar.name);
    table.rows.push_back({bar.name, with_unit(bar.input_low, unit), with_unit(bar.input_high, unit),
                          fmt::format("{:.2f}", bar.output_low),
                          fmt::format("{:.2f}", bar.output_high)});
  }
  return table;
}

Table inputs_table(const Simulation& s) {
  Table table{.headings = {"input", "P10", "median", "P90", "source"}, .rows = {}};
  for (const UncertainInput& input : s.inputs) {
    table.rows.push_back({input.name, with_unit(input.low, input.unit),
                          with_unit(input.median, input.unit), with_unit(input.high, input.unit),
                          input.source});
  }
  return table;
}

Table expected_loss_table(const std::vector<ExpectedLoss>& losses) {
  Table table{.headings = {"expected loss by", "nats/token", "P10", "P90", "source"}, .rows = {}};
  for (const ExpectedLoss& loss : losses) {
    table.rows.push_back({loss.law.name, fmt::format("{:.3f}", loss.loss),
                          fmt::format("{:.3f}", loss.low), fmt::format("{:.3f}", loss.high),
                          loss.law.source});
  }
  return table;
}

std::string to_text(const Simulation& s) {
  const Spread& d = s.days.output;
  const Spread& goodput = s.band.goodput;
  std::string text =
      wrapped(fmt::format("{} on {}: {} devices, {} tokens, {:.0f} steps",
                          s.plan.request.model.name, s.plan.request.cluster.name, s.job.n_devices,
                          format_count(s.plan.request.tokens), s.job.n_steps));
  text += wrapped(describe(s.plan.best().layout)) + "\n";
  const StepCosts& costs = s.plan.best().time.costs;
  text +=
      wrapped(fmt::format(
          "One step, acted out: {:.3f} s; bubble {}; {} ranks, {} micro-batches, {}; after the "
          "pipeline {:.3f} s for gradients and optimizer, then {} of waiting for the slowest node",
          s.timeline.step_seconds, percent(s.timeline.bubble_share), s.schedule.n_ranks(),
          s.schedule.n_micro_batches,
          s.schedule.n_ranks() > 1 ? to_string(s.schedule.kind) : "no pipeline", costs.tail_seconds,
          percent(costs.waiting_share))) +
      "\n";
  if (!s.outcome.finished) {
    text +=
        wrapped("This run does not finish: it is interrupted faster than it can make headway.") +
        "\n";
  }
  text += wrapped(fmt::format("One run, seed {}: {} days, goodput {}; {} unexpected interruptions, "
                              "{} planned stops, {} "
                              "preemptions; checkpoints every {} for {}",
                              s.options.seed, days(s.outcome.wall_seconds),
                              percent(s.outcome.goodput), s.outcome.n_failures, s.outcome.n_planned,
                              s.outcome.n_preempted, format_seconds(s.outcome.checkpoint_interval),
                              format_seconds(s.job.checkpoint_stall_seconds))) +
          "\n";
  text += to_text(run_seconds_table(s)) + "\n" + to_text(failures_table(s)) + "\n";
  Table band{
      .headings = {fmt::format("{} runs", s.band.n_runs), "P2.5", "P10", "P50", "P90", "P97.5"},
      .rows = {}};
  const auto add = [&](const char* what, const Spread& spread, double scale, const char* form) {
    std::vector<std::string> row = {what};
    for (const double value : {spread.low, spread.p10, spread.p50, spread.p90, spread.high}) {
      row.push_back(fmt::format(fmt::runtime(form), value * scale));
    }
    band.rows.push_back(std::move(row));
  };
  add("days, failures alone", s.band.wall_seconds, 1.0 / 86400, "{:.2f}");
  add("days, every input drawn", d, 1, "{:.2f}");
  add("goodput, %", goodput, 100, "{:.1f}");
  add("unexpected interruptions", s.band.failures, 1, "{:.0f}");
  text += to_text(band) + "\n" + to_text(tornado_table(s)) + "\n" +
          to_text(expected_loss_table(s.losses));
  text += '\n';
  text +=
      wrapped(fmt::format("Critical batch at that loss {} tokens (arXiv:2001.08361, eq. "
                          "1.4); DeepSeek's law: batch {} "
                          "tokens, learning rate {:.2g} (arXiv:2401.02954, eq. 1)",
                          format_count(s.batch.critical_tokens),
                          format_count(s.batch.deepseek_tokens), s.batch.deepseek_rate));
  return text;
}

}  // namespace farthing
