// page.cpp - the page put together: tiles, receipt, charts, heat maps, notes.
#include "report/page.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/units.h"

namespace farthing {
namespace {

std::vector<Chart> charts_of() {
  return {
      {.id = "loss",
       .title = "Training loss",
       .unit = "nats per token",
       .lines = {{"steps", "loss", "each step", "faint"},
                 {"steps", "smooth_loss", "smoothed", "line"},
                 {"evals", "eval_loss", "held-out", "dots"},
                 {"steps", "mtp_loss", "second token ahead (MTP)", "faint"}}},
      {.id = "bits",
       .title = "Held-out text",
       .unit = "bits per byte",
       .lines = {{"evals", "bits_per_byte", "bits per byte", "line"},
                 {"evals", "bits_per_byte", "", "dots"}}},
      {.id = "speed",
       .title = "Speed",
       .unit = "tokens per second",
       .lines = {{"steps", "tokens_per_second", "tokens/s", "line"}},
       .from_zero = true},
      {.id = "rate",
       .title = "Learning rate",
       .unit = "",
       .lines = {{"steps", "learning_rate", "learning rate", "line"}},
       .from_zero = true},
      {.id = "norm",
       .title = "Gradient norm",
       .unit = "before clipping",
       .lines = {{"steps", "grad_norm", "gradient norm", "line"}},
       .from_zero = true},
      {.id = "max_vio",
       .title = "MaxVio",
       .unit = "busiest expert over the mean, less 1",
       .lines = {{"steps", "max_vio", "mean of the layers", "line"}},
       .from_zero = true},
  };
}

double last_value(const RunSeries& series, const std::string& column) {
  const auto steps = series.data.find("steps");
  if (steps == series.data.end() || !steps->second.contains(column)) return 0;
  const auto& values = steps->second.at(column);
  return values.empty() ? 0 : values.back();
}

std::vector<Axis> axes_of(const RunSeries& series) {
  const double seconds = last_value(series, "seconds");
  Axis time{"seconds", "time (seconds)", 1};
  if (seconds > 300) time = {"seconds", "time (minutes)", 60};
  if (seconds > 3 * 3600) time = {"seconds", "time (hours)", 3600};
  const bool cents = last_value(series, "usd") < 1;
  return {{"steps", "steps", 1},
          {"tokens", "tokens", 1},
          time,
          cents ? Axis{"usd", "US cents", 0.01} : Axis{"usd", "US dollars", 1}};
}

const Axis& chosen_axis(const std::vector<Axis>& axes, const std::string& column) {
  for (const Axis& axis : axes) {
    if (axis.column == column) return axis;
  }
  return axes.front();
}

bool has_data(const Chart& chart, const RunSeries& series) {
  for (const Line& line : chart.lines) {
    const auto data = series.data.find(line.data);
    if (data == series.data.end() || !data->second.contains(line.column)) continue;
    const auto& values = data->second.at(line.column);
    const std::size_t wanted = line.data == "evals" && chart.id == "bits" ? 2 : 1;
    std::size_t finite = 0;
    for (const double value : values) finite += std::isfinite(value) ? 1 : 0;
    if (finite >= wanted) return true;
  }
  return false;
}

// Six digits are more than a screen shows.
Json rounded(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) {
    if (!std::isfinite(value)) {
      json.push_back(nullptr);
    } else {
      json.push_back(std::stod(fmt::format("{:.6g}", value)));
    }
  }
  return json;
}

std::string page_data(const RunSeries& series, const std::vector<Chart>& charts,
                      const std::vector<Axis>& axes, const Axis& axis) {
  Json json = {{"axis", axis.column},
               {"axes", Json::object()},
               {"data", Json::object()},
               {"charts", Json::array()},
               {"heat", Json::array()}};
  for (const Axis& each : axes) {
    json["axes"][each.column] = {{"label", each.label}, {"divisor", each.divisor}};
  }
  for (const auto& [name, columns] : series.data) {
    for (const auto& [column, values] : columns) json["data"][name][column] = rounded(values);
  }
  for (const Chart& chart : charts) {
    Json lines = Json::array();
    for (const Line& line : chart.lines) {
      lines.push_back({{"data", line.data},
                       {"column", line.column},
                       {"name", line.name},
                       {"style", line.style}});
    }
    json["charts"].push_back(
        {{"id", chart.id}, {"unit", chart.unit}, {"fromZero", chart.from_zero}, {"lines", lines}});
  }
  for (const HeatMap& map : series.heat_maps) {
    Json rows = Json::array();
    for (const auto& row : map.values) rows.push_back(rounded(row));
    json["heat"].push_back({{"id", map.id},
                            {"row", map.row_name},
                            {"column", map.column_name},
                            {"columns", rounded(map.column_values)},
                            {"values", rows}});
  }
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) {
    text.replace(at, 1, "\\u003c");  // no "</script>" can end it early
  }
  return text;
}

std::string tile(const std::string& value, const std::string& what) {
  return "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(what) +
         "</span></div>\n";
}

std::string tiles(const Receipt& receipt) {
  std::string html = "<section class=\"tiles\">\n";
  if (std::isfinite(receipt.val_bits_per_byte)) {
    html += tile(fmt::format("{:.3f}", receipt.val_bits_per_byte), "bits per byte, held-out");
  }
  if (std::isfinite(receipt.final_loss)) {
    html += tile(fmt::format("{:.3f}", receipt.final_loss), "nats per token, last step");
  }
  html += tile(format_count(static_cast<double>(receipt.ledger.tokens)),
               fmt::format("tokens in {} steps", receipt.ledger.steps));
  html += tile(format_seconds(receipt.ledger.wall_seconds),
               format_rate(receipt.tokens_per_second) + " tokens/s");
  html += tile(format_usd(receipt.cost.usd),
               format_usd(receipt.usd_per_million_tokens) + " per million tokens");
  html += tile(farthings_text(receipt), receipt.farthings == 1 ? "farthing" : "farthings");
  return html + "</section>\n";
}

std::string spending(const Receipt& receipt) {
  std::vector<BarPart> parts;
  std::string legend = "<p class=\"legend\">";
  const double total = receipt.ledger.seconds.total();
  for (int i = 0; i < kCategories; ++i) {
    const auto category = static_cast<Category>(i);
    const double seconds = receipt.ledger.seconds[category];
    parts.push_back({describe(category), seconds, format_seconds(seconds)});
    if (seconds > 0)
      legend += fmt::format("<span><i class=\"c{}\"></i>{}</span>", i, describe(category));
  }
  const double waste = total > 0 ? 1 - receipt.ledger.seconds[Category::kCompute] / total : 0;
  return "<section class=\"card\"><h2>Where the time and the money went</h2>" + bar_to_svg(parts) +
         legend + "</p>\n" + to_html(spending_table(receipt)) +
         fmt::format("<p>Waste, all that is not compute: <b>{:.1f} %</b></p>\n", 100 * waste) +
         "</section>\n";
}

std::string plan_and_actual(const Receipt& receipt) {
  if (!receipt.beside_plan.is_known()) return "";
  Table table = plan_and_actual_table(receipt);
  table.headings[0].clear();
  return "<section class=\"card\"><h2>Plan and actual</h2>\n" + to_html(table) + "</section>\n";
}

std::string sources(const Receipt& receipt) {
  if (receipt.sources.empty()) return "";
  return "<section class=\"card\"><h2>By source</h2>\n" + to_html(sources_table(receipt)) +
         "</section>\n";
}

std::string small_print(const Receipt& receipt) {
  std::string html = "<section class=\"card paper\"><h2>Receipt</h2>\n<dl>";
  const auto add = [&](const char* term, const std::string& value) {
    html += std::string("<div><dt>") + term + "</dt><dd>" + escape_html(value) + "</dd></div>\n";
  };
  add("run", receipt.name);
  add("state", receipt.state);
  if (receipt.start.parameters > 0) {
    add("model", format_count(receipt.start.parameters) + " parameters, " +
                     format_count(receipt.start.active_parameters) + " active");
  }
  if (!receipt.start.cpu.empty()) add("machine", receipt.start.cpu);
  if (receipt.start.n_threads > 0) {
    std::string words = fmt::format("{:.0f}", receipt.start.n_threads);
    for (const std::string& each : {receipt.start.isa, receipt.start.precision}) {
      if (!each.empty()) words += ", " + each;
    }
    add(receipt.start.device.empty() ? "threads" : "devices", words);
  }
  add("model FLOPs", fmt::format("{:.3g}", receipt.ledger.model_flops));
  if (receipt.share_of_peak > 0) {
    add("of the FP32 peak while computing", fmt::format("{:.1f} %", 100 * receipt.share_of_peak));
  }
  add("attempts", fmt::format("{}", receipt.ledger.n_attempts));
  add("energy, without PUE", fmt::format("{}{}", format_energy(receipt.cost.joules),
                                         receipt.cost.joules_estimated ? ", estimated" : ""));
  add("electricity alone", format_usd(receipt.cost.electricity_usd));
  add("per million tokens", format_usd(receipt.usd_per_million_tokens));
  html += "<div class=\"total\"><dt>total</dt><dd>" + escape_html(format_usd(receipt.cost.usd)) +
          "</dd></div></dl>\n";
  html += "<p class=\"fine\">Price: " + escape_html(price_words(receipt)) +
          "<br>Electricity: " + escape_html(electricity_words(receipt)) + "<br>In all " +
          escape_html(farthings_words(receipt));
  if (!receipt.weights_hash.empty()) html += "<br>Weights " + escape_html(receipt.weights_hash);
  return html + "</p></section>\n";
}

std::string legend_of(const Chart& chart, const RunSeries& series) {
  std::string html;
  int n_named = 0;
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const Chart alone{.id = "", .title = "", .unit = "", .lines = {chart.lines[i]}};
    if (chart.lines[i].name.empty() || !has_data(alone, series)) continue;
    ++n_named;
    html += fmt::format("<span><i class=\"s{} {}\"></i>{}</span>", i, chart.lines[i].style,
                        escape_html(chart.lines[i].name));
  }
  return n_named < 2 ? "" : "<p class=\"legend\">" + html + "</p>";
}

std::string heat_figures(const RunSeries& series) {
  std::string html;
  for (const HeatMap& map : series.heat_maps) {
    html += fmt::format("<figure id=\"{}\"><figcaption>{}</figcaption>", map.id,
                        escape_html(map.title)) +
            to_svg(map) + "<p class=\"legend\">" + tick_text(map.low) + " <span class=\"scale\">";
    for (int level = 0; level < 10; ++level) html += fmt::format("<i class=\"h{}\"></i>", level);
    html += "</span> " + fmt::format("{:.2f}", map.high) +
            (map.id == "expert_load" ? " or more" : "") + "</p></figure>\n";
  }
  return html;
}

std::string charts_section(const RunSeries& series, const std::vector<Chart>& charts,
                           const std::vector<Axis>& axes, const Axis& axis) {
  if (charts.empty()) return "<p>No step has been recorded yet.</p>\n";
  constexpr std::array<const char*, 4> kNames = {"steps", "tokens", "time", "money"};
  std::string html = "<nav aria-label=\"axis of the charts\"><span>against</span>";
  for (std::size_t i = 0; i < axes.size(); ++i) {
    html += fmt::format("<button type=\"button\" data-axis=\"{}\" aria-pressed=\"{}\">{}</button>",
                        axes[i].column, axes[i].column == axis.column, kNames[i]);
  }
  html += "<small>drag to zoom, double-click for all</small></nav>\n<section class=\"charts\">\n";
  for (const Chart& chart : charts) {
    html += fmt::format("<figure id=\"{}\"{}><figcaption>{} <small>{}</small></figcaption>",
                        chart.id, chart.id == "loss" ? " class=\"wide\"" : "",
                        escape_html(chart.title), escape_html(chart.unit)) +
            to_svg(chart, series, axis) + legend_of(chart, series) + "</figure>\n";
  }
  return html + heat_figures(series) + "</section>\n";
}

// A decision's or alert's value in words: how long the run is to be, else what was written.
std::string value_in_words(const std::string& value) {
  const Json json = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object()) return value;
  const Json step = json.value("at_step", Json()), end = json.value("end_tokens", Json());
  if (!step.is_number_integer() || !end.is_number_integer()) return value;
  const std::string from = fmt::format("from step {}: ", step.get<std::int64_t>());
  if (end.get<std::int64_t>() < 0) return from + "end not known yet";
  return from + fmt::format("end after {} tokens", format_count(end.get<double>()));
}

std::string notes_section(const RunHistory& history) {
  std::string html;
  const auto add = [&](const std::vector<NoteRecord>& notes, const char* title) {
    if (notes.empty()) return;
    Table table{.headings = {title, "at", "value", "why"}, .rows = {}};
    for (const NoteRecord& note : notes) {
      table.rows.push_back(
          {note.name, format_seconds(note.run_seconds), value_in_words(note.value), note.why});
    }
    html += fmt::format("<details><summary>{} {}</summary>", notes.size(), title) + to_html(table) +
            "</details>\n";
  };
  add(history.decisions, "decisions");
  add(history.alerts, "alerts");
  if (history.attempts.size() > 1) {
    Table table{.headings = {"attempt", "began at step", "lasted", "lost", "ended"}, .rows = {}};
    for (const AttemptRecord& attempt : history.attempts) {
      table.rows.push_back(
          {std::to_string(attempt.attempt), std::to_string(attempt.resumed_step.value_or(0)),
           format_seconds(attempt.wall_seconds), format_seconds(attempt.seconds[Category::kLost]),
           attempt.end_reason.empty() ? "no end recorded" : attempt.end_reason});
    }
    html += fmt::format("<details><summary>{} attempts</summary>", history.attempts.size()) +
            to_html(table) + "</details>\n";
  }
  return html.empty() ? "" : "<section class=\"card notes\">" + html + "</section>\n";
}

}  // namespace

std::string to_html(const ReportInput& input) {
  const Receipt receipt = make_receipt(input);
  const RunSeries series = make_series(input.history, receipt);
  std::vector<Chart> charts = charts_of();
  std::erase_if(charts, [&](const Chart& chart) { return !has_data(chart, series); });
  const std::vector<Axis> axes = axes_of(series);
  const Axis& axis = chosen_axis(axes, input.against);
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";
  html += escape_html(receipt.name) + ": receipt</title>\n<style>" + page_parts::kStyle +
          "</style></head><body>\n<header><h1>" + escape_html(receipt.name) + "</h1><p>" +
          escape_html(receipt.run.project + ", " + receipt.run.purpose + ", " + receipt.run.phase) +
          " <span class=\"state\">" + escape_html(receipt.state) + "</span></p>";
  if (const std::string origin = origin_words(receipt); !origin.empty()) {
    html += "<p><strong>" + escape_html(origin) + "</strong></p>";
  }
  html += "</header>\n<main>\n";
  html += tiles(receipt) + "<div class=\"pair\">" + spending(receipt) + small_print(receipt) +
          "</div>\n" + sources(receipt) + plan_and_actual(receipt) +
          charts_section(series, charts, axes, axis) + notes_section(input.history);
  html +=
      "</main>\n<footer>farthing knows what every token cost</footer>\n<div id=\"tip\" hidden>"
      "</div>\n<script type=\"application/json\" id=\"page-data\">" +
      page_data(series, charts, axes, axis) + "</script>\n<script>" + page_parts::kTicksScript +
      page_parts::kScript + "</script>\n</body></html>\n";
  return html;
}

Receipt write_receipts(const RunPaths& paths, const RunRecipe& run, const PriceBook& book) {
  ReportInput input;
  input.name = paths.name();
  input.run = run;
  input.history = read_history(paths.events);
  input.book = book;
  Receipt receipt = make_receipt(input);
  write_file_atomically(paths.receipt_json, to_json(receipt).dump(2) + "\n");
  write_file_atomically(paths.receipt_html, to_html(input));
  return receipt;
}

}  // namespace farthing
