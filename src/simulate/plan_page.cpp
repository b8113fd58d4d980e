// plan_page.cpp - sections of a plan's page, and the table of its figures.
#include "simulate/plan_page.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/units.h"
#include "plan/accounting.h"
#include "report/page.h"

namespace farthing {
namespace {

constexpr const char* kPlanStyle =
    "figure{margin-bottom:16px}figure .grid{stroke:var(--grid)}figure svg text{font-size:13px}"
    ".prose td{white-space:normal;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    ".prose th{text-align:left;white-space:normal}.prose td:first-child{min-width:9em}"
    "details{margin-bottom:16px}details.card .scroll{margin-top:10px}"
    ".prose td:nth-child(2){white-space:nowrap}.pair{margin-bottom:16px}"
    ".pair tr:last-child td{font-weight:400;border-top:1px solid var(--grid)}"
    ".card{margin-bottom:16px}.pair "
    ".card{margin-bottom:0}.pair{grid-template-columns:repeat(2,minmax("
    "0,1fr))}.pair th,.pair td{padding-left:6px}.pair th,.pair td:first-child{white-"
    "space:normal}"
    "@media screen and (max-width:820px){figure{overflow-x:auto}figure svg{min-width:560px}"
    ".pair{grid-template-columns:minmax(0,1fr)}.prose table{min-width:640px}"
    ".pair th:nth-child(3),.pair td:nth-child(3){display:table-cell}}"
    "@media print{details{display:block}details::details-content{content-visibility:visible}}";

std::string legend(const std::vector<std::pair<const char*, const char*>>& items) {
  std::string html = "<p class=\"legend\">";
  for (const auto& [style, words] : items) {
    html += fmt::format("<span><i class=\"{}\"></i>{}</span>", style, words);
  }
  return html + "</p>";
}

std::string figure(const char* id, const std::string& title, const std::string& unit,
                   const std::string& body) {
  return fmt::format("<figure id=\"{}\"><figcaption>{} <small>{}</small></figcaption>{}</figure>\n",
                     id, escape_html(title), escape_html(unit), body);
}

std::string plan_tile(const std::string& value, const std::string& words) {
  return "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(words) +
         "</span></div>\n";
}

std::string page_open(const std::string& title, const std::string& about, const char* kind) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"><title>" +
         escape_html(title) + ": " + kind + "</title>\n<style>" + page_parts::kStyle + kPlanStyle +
         "</style></head><body>\n<header><h1>" + escape_html(title) + "</h1><p>" +
         escape_html(about) + " <span class=\"state\">" + kind + "</span></p></header>\n<main>\n";
}

std::string page_open(const Plan& plan, const char* kind) {
  const PlanRequest& r = plan.request;
  return page_open(r.model.name + " on " + r.cluster.name,
                   fmt::format("{}; {} x {}; {} tokens", describe(r.model), r.cluster.n_devices(),
                               r.cluster.device.name, format_count(r.tokens)),
                   kind);
}

std::string page_close(const PlanPageWords& words) {
  return "</main>\n<footer>" + escape_html(words.command) + "<br>predicted, not measured: " +
         "figures are models of physics, with their uncertainty</footer>\n</body></html>\n";
}

std::string between_seconds(const Quantiles& q, double seconds) {
  return format_seconds(q.p10 * seconds) + " to " + format_seconds(q.p90 * seconds);
}

std::string plan_tiles(const Plan& plan) {
  const Candidate& best = plan.best();
  const PlanRange& range = plan.range;
  const double n = best.layout.n_devices();
  std::string html = "<section class=\"tiles\">\n";
  html += plan_tile(format_seconds(best.time.step_seconds),
                    "a step; " + between_seconds(range.step_seconds, 1));
  html += plan_tile(fmt::format("{:.0f}", best.time.tokens_per_second_per_device),
                    fmt::format("tokens/s per device; {:.0f} to {:.0f}",
                                range.tokens_per_second.p10 / n, range.tokens_per_second.p90 / n));
  html +=
      plan_tile(fmt::format("{:.1f} %", 100 * best.time.mfu),
                fmt::format("MFU; {:.1f} to {:.1f} %", 100 * range.mfu.p10, 100 * range.mfu.p90));
  html += plan_tile(format_seconds(plan.days * 86400),
                    "the run; " + between_seconds(as_printed(range.days), 86400));
  html +=
      plan_tile(format_count(plan.gpu_hours),
                fmt::format("device-hours; {} to {}", format_count(as_printed(range.gpu_hours).p10),
                            format_count(as_printed(range.gpu_hours).p90)));
  html += plan_tile(format_bytes(best.memory.total()),
                    "fullest device, of " + format_bytes(plan.usable_memory_bytes));
  return html + "</section>\n";
}

// Lines of text as one sentence.
std::string one_line(std::string text) {
  text.erase(text.find_last_not_of(" \n") + 1);
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n') {
      line += text[i];
    } else if (text.compare(i, 3, "\n  ") == 0) {  // a wrapped line goes on
      line += ' ';
      i += 2;
    } else {
      line += "; ";
    }
  }
  return line;
}

struct FigureLine {
  std::string what, value, formula, inputs;
};

// Every headline figure, how it comes about and from what.
std::vector<FigureLine> figure_lines(const Simulation& s) {
  const Plan& plan = s.plan;
  const Candidate& best = plan.best();
  const StepTime& time = best.time;
  const Layout& layout = best.layout;
  const Cluster& cluster = plan.request.cluster;
  const double devices = layout.n_devices();
  const auto flops = model_flops_per_token(plan.request.model, best.batch.sequence_length).total();
  const auto micro = n_micro_batches(layout, best.batch.global_batch);
  const double seconds = plan.n_steps * time.step_seconds;
  return {
      {"devices", fmt::format("{:.0f}", devices), "PP x DP x TP x CP",
       fmt::format("{} x {} x {} x {}", layout.pp, layout.dp, layout.tp, layout.cp)},
      {"micro-batches of a rank", fmt::format("{}", micro), "global batch / (DP x micro-batch)",
       fmt::format("{} / ({} x {})", best.batch.global_batch, layout.dp, layout.micro_batch)},
      {"step", fmt::format("{:.3f} s", time.step_seconds),
       "work of the mean rank + bubble + exposed gradient traffic + optimizer + waiting",
       "the table of a step's seconds; constants below"},
      {"tokens/s", format_rate(time.tokens_per_second), "global batch x sequence / step",
       fmt::format("{} x {} / {:.3f} s", best.batch.global_batch, best.batch.sequence_length,
                   time.step_seconds)},
      {"tokens/s per device", fmt::format("{:.0f}", time.tokens_per_second_per_device),
       "tokens/s / devices", fmt::format("{:.4g} / {:.0f}", time.tokens_per_second, devices)},
      {"MFU", fmt::format("{:.1f} %", 100 * time.mfu),
       "tokens/s per device x causal model FLOPs a token / BF16 peak",
       fmt::format("{:.0f} x {:.4g} / {:.4g} FLOP/s", time.tokens_per_second_per_device, flops,
                   cluster.device.bf16_peak.value)},
      {"steps", fmt::format("{:.0f}", plan.n_steps), "tokens / (global batch x sequence)",
       fmt::format("{:.4g} / {:.4g}", plan.request.tokens, best.batch.tokens())},
      {"device-hours, no interruption", format_count(plan.compute_gpu_hours),
       "steps x step x devices / 3600",
       fmt::format("{:.0f} x {:.3f} s x {:.0f} / 3600", plan.n_steps, time.step_seconds, devices)},
      {"goodput", fmt::format("{:.2f} %", 100 * plan.goodput),
       "hours without interruption / hours of the median run: checkpoints, failures x (interval / "
       "2 "
       "+ detect + restart), planned stops, preemptions, stragglers, waiting for spares or "
       "capacity",
       fmt::format("interval {}, {:.1f} failures, detect {}, restart {}",
                   format_seconds(plan.checkpoint_every_seconds), plan.failures_expected,
                   cluster.reliability.detect.text, cluster.reliability.restart.text)},
      {"days", fmt::format("{:.2f}", plan.days), "steps x step / goodput / 86400",
       fmt::format("{:.4g} s / {:.4f} / 86400", seconds, plan.goodput)},
      {"device-hours held", format_count(plan.gpu_hours),
       "days x 24 x devices - waiting for capacity, while none is held",
       fmt::format("{:.4g} x 24 x {:.0f} - {:.4g}", plan.days, devices, plan.waiting_gpu_hours)},
      {"checkpoint", format_bytes(plan.checkpoint_bytes), "FP32 master and both moments",
       fmt::format("{} parameters, {}", format_count(count_parameters(plan.request.model).total()),
                   name(layout.precision))},
      {"power at the site", format_watts(plan.power_watts),
       "(devices of a node x rating + host) x nodes x load x PUE",
       fmt::format("({} x {} + {}) x {:.0f}, load {}, PUE {}", cluster.node.devices.text,
                   cluster.device.power.text, cluster.node.host_power.text,
                   devices / cluster.node.devices.value, cluster.facility.load.text,
                   cluster.facility.pue.text)},
      {"energy", format_energy(plan.energy_joules), "power x time in which devices are held",
       fmt::format("{:.4g} W x {:.4g} s", plan.power_watts, plan.gpu_hours / devices * 3600)},
      {"pipeline", fmt::format("{:.3f} s", s.timeline.pipeline_seconds),
       "every F, B and W executed in the schedule's order, with sends; ranks differ by wait_jitter",
       fmt::format("{} ranks, {} micro-batches, sends of {:.3g} s", s.schedule.n_ranks(),
                   s.schedule.n_micro_batches, plan.best().time.costs.send_seconds)},
      {"pipeline bubble", fmt::format("{:.1f} %", 100 * s.timeline.bubble_share),
       "idle time of the mean rank / step",
       fmt::format("{:.3f} s / {:.3f} s", s.timeline.bubble_seconds, s.timeline.step_seconds)},
      {"simulated days", fmt::format("{:.2f}", s.outcome.wall_seconds / 86400),
       "attempts, checkpoints, failures and repairs acted out once",
       fmt::format("seed {}; {} runs between {:.2f} and {:.2f} (P10, P90)", s.options.seed,
                   s.band.n_runs, s.band.wall_seconds.p10 / 86400,
                   s.band.wall_seconds.p90 / 86400)}};
}

std::string figures_section(const Simulation& s) {
  Table table{{"figure", "value", "formula", "inputs"}, {}};
  for (const FigureLine& line : figure_lines(s)) {
    table.rows.push_back({line.what, line.value, line.formula, line.inputs});
  }
  return "<section class=\"card prose\"><h2>Every figure: formula and inputs</h2>" +
         to_html(table) + "</section>\n";
}

std::string folded(const char* title, const char* style, const Table& table) {
  return fmt::format("<details class=\"card {}\"><summary>{}</summary>{}</details>\n", style, title,
                     to_html(table));
}

std::string where_inputs_are_from(const Cluster& cluster) {
  Table table{{"input", "value", "date", "confidence", "source"}, {}};
  visit_figures(cluster, [&](const FigureRule& rule, const Figure& found) {
    if (!found.is_known()) return;
    table.rows.push_back({rule.path, found.text, found.date, found.confidence, found.source});
  });
  return folded("The cluster's figures and their sources", "prose", table);
}

std::string memory_section(const Plan& plan) {
  return figure("memory", "Memory of every stage", "stage counted from 0, its fullest device",
                memory_drawing(plan) + legend({{"c0", "weights"},
                                               {"c1", "gradients"},
                                               {"c2", "optimizer"},
                                               {"c3", "activations"},
                                               {"c4", "transient and library"}}));
}

std::string layouts_section(const Plan& plan) {
  Table table{{"layout", "step", "tokens/s per device", "memory"}, {}};
  for (const Candidate& each : plan.best_layouts) {
    table.rows.push_back({describe(each.layout), format_seconds(each.time.step_seconds),
                          fmt::format("{:.0f}", each.time.tokens_per_second_per_device),
                          format_bytes(each.memory.total())});
  }
  Table aside{{"set aside", "layouts", "nearest"}, {}};
  for (const Rejection& each : plan.rejections) {
    aside.rows.push_back({each.reason, std::to_string(each.count), each.nearest});
  }
  return "<section class=\"card prose\"><h2>Layouts</h2>" + to_html(table) +
         fmt::format("<p>{} layouts were tried.</p>", plan.n_layouts_tried) +
         (aside.rows.empty() ? "" : to_html(aside)) + "</section>\n";
}

std::string seconds_section(const Simulation& s) {
  return "<div class=\"pair\"><section class=\"card\"><h2>A step's seconds</h2>" +
         to_html(step_parts_table(s.plan)) +
         "</section><section class=\"card\"><h2>The run's "
         "time</h2>" +
         to_html(run_seconds_table(s)) + "</section></div>\n";
}

}  // namespace

std::string plan_page(const Simulation& s, const PlanPageWords& words) {
  const Plan& plan = s.plan;
  std::size_t ops = 0;
  for (const auto& rank : s.timeline.ranks) ops += rank.size();
  std::string html = page_open(plan, "plan");
  html += plan_tiles(plan) + memory_section(plan);
  html += figure("step", "One step, rank by rank",
                 ops > kMostDrawnOps ? "its beginning; all of it: farthing simulate --trace"
                                     : describe(plan.best().layout),
                 timeline_drawing(s) + legend({{"c2", "F"},
                                               {"c0", "B, or B with W"},
                                               {"c1", "W"},
                                               {"c3", "F that runs beside a B"}}));
  html += seconds_section(s);
  html += figure("weeks", "The weeks of one simulated run",
                 fmt::format("seed {}; {} interruptions", s.options.seed, s.outcome.n_failures),
                 weeks_drawing(s) + legend({{"c0", "steps"},
                                            {"c5", "lost, done again"},
                                            {"c6", "noticing, waiting"},
                                            {"c4", "restarting"}}));
  html += figure("tornado", "What the days hang on", "input at its P10 and P90, others at medians",
                 tornado_drawing(s.days));
  if (!plan.changes.empty()) {
    html += figure("changes", "What would help most", "tokens/s against this plan",
                   changes_drawing(plan));
  }
  html += layouts_section(plan) + figures_section(s);
  html += "<section class=\"card prose\"><h2>Expected loss, by published laws</h2>" +
          to_html(expected_loss_table(s.losses)) + "</section>\n";
  html += folded("Inputs that were drawn", "prose", inputs_table(s));
  html += where_inputs_are_from(plan.request.cluster);
  html += folded("Sensitivity of the step to every constant", "prose", sensitivity_table(plan));
  return html + page_close(words);
}

std::string shortfall_page(const Plan& plan, const PlanPageWords& words) {
  std::string html = page_open(plan, "does not fit");
  if (plan.shortfall) {
    html += "<section class=\"card\"><h2>" +
            escape_html(fmt::format(
                "{} too much on stage {} of {}", format_bytes(plan.shortfall->missing_bytes),
                plan.shortfall->nearest.memory.stage, plan.shortfall->nearest.layout.pp)) +
            "</h2><p>Nearest: " + escape_html(describe(plan.shortfall->nearest.layout)) +
            "</p><p>What would fit: " + escape_html(plan.shortfall->cheapest_change) +
            "</p></section>\n";
  }
  html += memory_section(plan) + layouts_section(plan);
  html += where_inputs_are_from(plan.request.cluster);
  return html + page_close(words);
}

std::string machine_page(const MachinePlan& plan, const PlanPageWords& words) {
  std::string html =
      page_open(plan.model + " on this machine", one_line(machine_words(plan)), "plan");
  for (const Table& table : machine_tables(plan)) {
    html += "<section class=\"card prose\">" + to_html(table) + "</section>\n";
  }
  return html + page_close(words);
}

}  // namespace farthing
