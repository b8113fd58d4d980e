// report_test.cpp - receipts of finished and killed runs, columns, ticks, and a page that is one
// file.
#include <gtest/gtest.h>

#include <cctype>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"
#include "report/page.h"

namespace farthing {
namespace {

PriceBook default_book() {
  const std::string path = FARTHING_SOURCE_DIR "/prices/default.toml";
  return parse_price_book(read_file(path), path);
}

std::string event(int attempt, double t, const std::string& kind, const Json& fields) {
  Json json = {
      {"time_unix", 1e9}, {"t_monotonic", t}, {"attempt", attempt}, {"rank", 0}, {"kind", kind}};
  if (!fields.is_null()) json.update(fields);
  return json.dump() + "\n";
}

std::string step(int attempt, double t, int number, double loss) {
  return event(attempt, t, "step",
               {{"step", number},
                {"tokens", 1000 * number},
                {"step_tokens", 1000},
                {"loss", loss},
                {"learning_rate", 0.001},
                {"grad_norm", 1.5},
                {"max_vio", 0.5},
                {"max_vio_by_layer", {0.25, 0.75}},
                {"expert_load", {{1, 3}, {2, 2}}},
                {"model_flops", 2e9},
                {"joules", 3.6},
                {"seconds", {{"compute", 0.8}, {"data_wait", 0.1}, {"optimizer", 0.1}}}});
}

// Step 3 of the first attempt is done again by the second.
std::string two_attempts() {
  return event(1, 1, "run_start",
               {{"n_threads", 2},
                {"parameters", 5e6},
                {"active_parameters", 3e6},
                {"fp32_peak_flops", 1e10}}) +
         step(1, 2, 1, 5) + step(1, 3, 2, 4) + step(1, 4, 3, 9) + event(1, 4.5, "heartbeat", {}) +
         event(2, 0.5, "run_start",
               {{"n_threads", 2},
                {"resumed_step", 2},
                {"parameters", 5e6},
                {"active_parameters", 3e6},
                {"fp32_peak_flops", 1e10}}) +
         step(2, 1.5, 3, 3) +
         event(2, 2, "eval",
               {{"step", 3}, {"bits_per_byte", 1.75}, {"loss", 3.1}, {"seconds", 0.5}}) +
         event(2, 2.5, "run_end", {{"reason", "finished"}, {"weights_hash", "abc"}});
}

ReportInput input_of(const std::string& events) {
  ReportInput input;
  input.name = "demo";
  input.history = parse_history(events, "e");
  input.book = default_book();
  return input;
}

TEST(Receipt, NumbersByHand) {
  const Receipt receipt = make_receipt(input_of(two_attempts()));
  EXPECT_EQ(receipt.ledger.steps, 3);
  EXPECT_EQ(receipt.ledger.tokens, 3000);
  EXPECT_DOUBLE_EQ(receipt.cost.usd, 7.0 * 2 / 3600 * 0.04);
  EXPECT_DOUBLE_EQ(receipt.usd.total(), receipt.cost.usd);
  EXPECT_DOUBLE_EQ(receipt.usd[Category::kRecomputed], 1.0 * 2 / 3600 * 0.04);
  EXPECT_DOUBLE_EQ(receipt.usd_per_million_tokens, receipt.cost.usd / 3000 * 1e6);
  EXPECT_DOUBLE_EQ(receipt.farthings, receipt.cost.usd / 1.33 * 960);
  EXPECT_DOUBLE_EQ(receipt.share_of_peak, 6e9 / (2.7 * 1e10));
  EXPECT_EQ(receipt.final_loss, 3);
  EXPECT_NE(to_text(receipt).find("22.2 % of the FP32 peak while computing"), std::string::npos);
  EXPECT_NE(to_text(receipt).find(" at the machine, measured, x PUE"), std::string::npos);
  const std::string html = to_html(input_of(two_attempts()));
  EXPECT_NE(html.find("of the FP32 peak while computing"), std::string::npos);
  EXPECT_NE(html.find("energy, without PUE"), std::string::npos);
}

TEST(Receipt, JsonHasTheKeysThatProgramsRead) {
  const Json json = to_json(make_receipt(input_of(two_attempts())));
  EXPECT_EQ(json["steps"], 3);
  EXPECT_EQ(json["tokens"], 3000);
  EXPECT_EQ(json["model_flops"], 6e9);
  EXPECT_DOUBLE_EQ(json["seconds"]["total"], 7);
  EXPECT_DOUBLE_EQ(json["seconds"]["lost"], 0.5);
  EXPECT_DOUBLE_EQ(json["joules"], 4 * 3.6);
  EXPECT_GT(json["usd"]["total"], 0);
  EXPECT_EQ(json["final_loss"], 3);
  EXPECT_EQ(json["val_bits_per_byte"], 1.75);
  EXPECT_EQ(json["weights_hash"], "abc");
  EXPECT_EQ(json["state"], "finished");
}

TEST(Receipt, WhatWasNotTrainedHereSaysSo) {
  EXPECT_EQ(to_json(make_receipt(input_of(two_attempts())))["origin"], "trained");
  for (const char* origin : {"simulated", "imported"}) {
    const ReportInput input = input_of(event(1, 0, "run_start", {{origin, true}}) + two_attempts());
    const Receipt receipt = make_receipt(input);
    EXPECT_EQ(to_json(receipt)["origin"], origin);
    const std::string first(1, static_cast<char>(std::toupper(origin[0])));
    const std::string words = first + (origin + 1) + std::string(": ");
    EXPECT_NE(to_text(receipt).find("\n" + words), std::string::npos) << to_text(receipt);
    EXPECT_NE(to_html(input).find(words), std::string::npos);
  }
}

TEST(Receipt, SourcesHaveTheirShareAndTheirBits) {
  const ReportInput input = input_of(
      event(1, 0, "run_start", {}) +
      event(1, 1, "step",
            {{"step", 1}, {"tokens", 400}, {"source_tokens", {{"code", 100}, {"prose", 300}}}}) +
      event(1, 2, "eval",
            {{"step", 1},
             {"bits_per_byte", 2},
             {"sources",
              {{{"name", "code"}, {"bits_per_byte", 1.5}},
               {{"name", "prose"}, {"bits_per_byte", 2.25}}}}}));
  const Receipt receipt = make_receipt(input);
  EXPECT_EQ(sources_table(receipt).rows,
            (std::vector<std::vector<std::string>>{{"code", "100", "25.0 %", "1.5000"},
                                                   {"prose", "300", "75.0 %", "2.2500"}}));
  EXPECT_EQ(to_json(receipt)["sources"][1]["val_bits_per_byte"], 2.25);
  EXPECT_NE(to_html(input).find("By source"), std::string::npos);
  EXPECT_EQ(to_json(make_receipt(input_of(two_attempts()))).count("sources"), 0u);
}

TEST(Receipt, KilledAndEmptyRunsHaveOneToo) {
  const std::string killed = two_attempts().substr(0, two_attempts().size() / 2);
  const Json json = to_json(make_receipt(input_of(killed)));
  EXPECT_EQ(json["state"], "no end recorded (running or killed)");
  EXPECT_TRUE(json["val_bits_per_byte"].is_null());
  EXPECT_TRUE(json["weights_hash"].is_null());
  const Json empty = to_json(make_receipt(input_of("")));
  EXPECT_EQ(empty["steps"], 0);
  EXPECT_TRUE(empty["final_loss"].is_null());
  EXPECT_NE(to_html(input_of("")).find("No step has been recorded"), std::string::npos);
  EXPECT_FALSE(to_text(make_receipt(input_of(""))).empty());
}

TEST(Receipt, TextNamesThePriceAndFitsAScreen) {
  const std::string text = to_text(make_receipt(input_of(two_attempts())));
  for (const char* words : {"0.04 USD per core-hour, rented, typical on-demand",
                            "--set cost.price=", "Electricity alone: ",
                            " per million tokens; in all ", "farthings", "done twice", "Waste"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words;
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(Series, LeavesOutWhatWasDoneAgain) {
  const ReportInput input = input_of(two_attempts());
  const RunSeries series = make_series(input.history, make_receipt(input));
  const Columns& steps = series.data.at("steps");
  EXPECT_EQ(steps.at("steps"), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(steps.at("loss"), (std::vector<double>{5, 4, 3}));
  EXPECT_EQ(steps.at("tokens_per_second"), (std::vector<double>{1000, 1000, 1000}));
  EXPECT_EQ(steps.at("seconds"), (std::vector<double>{2, 3, 6}));
  EXPECT_EQ(series.data.at("evals").at("tokens"), (std::vector<double>{3000}));
}

TEST(Series, LongRunsAreAveraged) {
  std::string events = event(1, 0, "run_start", {});
  for (int i = 1; i <= 2000; ++i) events += step(1, i, i, i % 2 == 0 ? 1 : 3);
  const ReportInput input = input_of(events);
  const RunSeries series = make_series(input.history, make_receipt(input));
  const Columns& steps = series.data.at("steps");
  EXPECT_EQ(steps.at("loss").size(), kMostPoints);
  EXPECT_EQ(steps.at("steps").back(), 2000);
  EXPECT_NEAR(steps.at("loss")[7], 2, 0.21);
}

TEST(Series, HeatMapsOfLayersAndExperts) {
  const ReportInput input = input_of(two_attempts());
  const RunSeries series = make_series(input.history, make_receipt(input));
  ASSERT_EQ(series.heat_maps.size(), 2u);
  EXPECT_EQ(series.heat_maps[0].values[1], (std::vector<double>{0.75, 0.75, 0.75}));
  EXPECT_EQ(series.heat_maps[1].values[0], (std::vector<double>{0.5, 1.5}));
}

TEST(Chart, TicksAreRoundAndInside) {
  EXPECT_EQ(round_ticks(0, 10), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks(1, 1), std::vector<double>{});
  for (const double high : {3e-9, 0.7, 1.0, 13.0, 9.9e12}) {
    const auto ticks = round_ticks(high / 3, high);
    EXPECT_GE(ticks.size(), 3u) << high;
    EXPECT_LE(ticks.size(), 8u) << high;
    EXPECT_GE(ticks.front(), high / 3 * (1 - 1e-9));
    EXPECT_LE(ticks.back(), high * (1 + 1e-9));
  }
  EXPECT_EQ(tick_text(12500), "12.5k");
  EXPECT_EQ(tick_text(0.003), "0.003");
  EXPECT_EQ(tick_text(0), "0");
}

TEST(Page, IsOneFileWithoutTheNetwork) {
  const std::string html = to_html(input_of(two_attempts()));
  for (const char* foreign : {"src=", "href=", "url(h", "@import", "https:"}) {
    EXPECT_EQ(html.find(foreign), std::string::npos) << foreign;
  }
  EXPECT_NE(html.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
}

TEST(Page, DecisionsAreWords) {
  const std::string html = to_html(input_of(
      two_attempts() + event(3, 0, "run_start", {{"resumed_step", 3}}) +
      event(3, 1, "decision",
            {{"name", "run_length"},
             {"value", {{"at_step", 3}, {"end_tokens", 2000000}, {"progress", 0.25}}},
             {"why", "3 s gone"}}) +
      event(3, 2, "decision", {{"name", "precision"}, {"value", "bf16"}, {"why", "measured"}})));
  EXPECT_NE(html.find("from step 3: end after 2.00M tokens"), std::string::npos);
  EXPECT_NE(html.find("bf16</td>"), std::string::npos);
  EXPECT_EQ(html.find("&quot;at_step"), std::string::npos);
}

TEST(Page, HostileNamesStayText) {
  ReportInput input = input_of(two_attempts());
  input.name = "</script><script>alert(1)</script>";
  input.run.project = "<img onerror=\"x\">\xff\x01";
  const std::string html = to_html(input);
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_NE(html.find("&lt;img onerror=&quot;x&quot;&gt;\xef\xbf\xbd\xef\xbf\xbd"),
            std::string::npos);
}

TEST(Page, LossThatIsNotANumberIsAGap) {
  std::string events = two_attempts();
  events += event(3, 0, "run_start", {{"resumed_step", 3}}) +
            event(3, 1, "step", {{"step", 4}, {"tokens", 4000}, {"loss", nullptr}});
  const std::string html = to_html(input_of(events));
  EXPECT_EQ(html.find("nan"), std::string::npos);
  EXPECT_NE(html.find("null"), std::string::npos);
}

TEST(Table, AlignsByCharactersNotBytes) {
  const Table table{.headings = {"a", "b"}, .rows = {{"käse", "1"}, {"x", "22"}}};
  EXPECT_EQ(to_text(table), "  a      b\n  käse   1\n  x     22\n");
}

TEST(Table, FiguresStandToTheRightAndWordsToTheLeft) {
  const Table table{.headings = {"what", "n", "unit", "why"},
                    .rows = {{"a", "1", "TB", "the plan"},
                             {"bcd", "not stated", "", "-"},
                             {"e", "~22 of 3", "GB/s", "2 of them"}}};
  EXPECT_EQ(to_text(table),
            "  what           n  unit  why\n"
            "  a              1  TB    the plan\n"
            "  bcd   not stated        -\n"
            "  e       ~22 of 3  GB/s  2 of them\n");
  EXPECT_NE(to_html(table).find("<td>1</td><td class=\"words\">TB</td>"), std::string::npos);
}

TEST(Table, CellsWrapWhereTheTerminalIsNarrow) {
  const Table table{.headings = {"what", "a long heading", "figure"},
                    .rows = {{"one two three four", "x", "$1"}, {"five", "y", "$2"}}};
  set_text_columns(30);
  const std::string text = to_text(table);
  EXPECT_EQ(wrap_prose("  one two three", 4, 10), "  one two\n    three\n");
  EXPECT_EQ(prose_columns(), 30u);
  set_text_columns(0);
  EXPECT_EQ(prose_columns(), 98u);
  std::size_t n_lines = 0;
  for (std::size_t at = 0; at < text.size(); ++n_lines) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(end - at, 30u) << text;
    at = end + 1;
  }
  EXPECT_EQ(n_lines, 6u) << text;  // 2 of headings, 3 and 1
  EXPECT_NE(text.find("four"), std::string::npos);
  EXPECT_NE(to_text(table).find("one two three four"), std::string::npos);  // no terminal: whole
}

TEST(Table, ATableWhoseWordsWouldBreakIsStacked) {
  const Table table{
      .headings = {"constant", "uncertain by", "meaning"},
      .rows = {{"communication_tax", "30 %", "slowdown of compute while links are busy"},
               {"gemm_depth", "", "half"}}};
  set_text_columns(30);
  const std::string text = to_text(table);
  set_text_columns(0);
  EXPECT_EQ(text,
            "  constant\n"
            "  communication_tax\n"
            "    uncertain by  30 %\n"
            "    meaning       slowdown of\n"
            "                  compute\n"
            "                  while links\n"
            "                  are busy\n"
            "  gemm_depth\n"
            "    meaning  half\n");
}

}  // namespace
}  // namespace farthing
