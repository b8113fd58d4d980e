// compare_test.cpp - runs compared at equal cost, on the frontier, over time; hostile receipts.
#include "economics/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "economics/compare_sheet.h"

namespace farthing {
namespace {

Contender contender(const std::string& name, double usd_per_step, std::vector<double> bits,
                    double begun = kNotStated) {
  Contender result;
  result.name = name, result.kind = "run", result.price = "rent 0.04", result.begun_unix = begun;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const double steps = 100 * std::pow(2, static_cast<double>(i));
    result.curve.push_back({steps, 1000 * steps, 2 * steps, usd_per_step * steps, bits[i]});
  }
  result.end = result.curve.back();
  return result;
}

TEST(Compare, ValuesBetweenEvaluationsAreLinearInTheLogarithm) {
  const Contender run = contender("a", 0.01, {3, 2.5, 2.2});
  EXPECT_EQ(value_at(run, Against::kSteps, 200), 2.5);
  EXPECT_NEAR(value_at(run, Against::kSteps, std::sqrt(100.0 * 200)), 2.75, 1e-12);
  EXPECT_TRUE(std::isnan(value_at(run, Against::kSteps, 99)));
  EXPECT_TRUE(std::isnan(value_at(run, Against::kSteps, 401)));
  EXPECT_NEAR(usd_to_reach(run, 2.75).usd, 0.01 * std::sqrt(100.0 * 200), 1e-12);
  EXPECT_FALSE(usd_to_reach(run, 2.75).at_most);
  EXPECT_TRUE(std::isnan(usd_to_reach(run, 2.1).usd));
  EXPECT_FALSE(usd_to_reach(run, 3).at_most);
  EXPECT_EQ(usd_to_reach(run, 3.5).usd, 1);  // below it at its first evaluation
  EXPECT_TRUE(usd_to_reach(run, 3.5).at_most);
}

TEST(Compare, TheWinnerAtEqualStepsMayLoseAtEqualDollars) {
  const std::vector<Contender> two = {contender("thrifty", 0.001, {3, 2.6, 2.4}),
                                      contender("lavish", 0.004, {2.9, 2.5, 2.3})};
  const EqualComparison steps = at_equal(two, Against::kSteps);
  EXPECT_EQ(steps.at, 400);
  EXPECT_EQ(steps.winner, 1);
  EXPECT_NEAR(steps.margin, 0.1, 1e-12);
  const EqualComparison usd = at_equal(two, Against::kUsd);
  EXPECT_NEAR(usd.at, 0.4, 1e-12);
  EXPECT_EQ(usd.winner, 0);
  EXPECT_FALSE(usd.before_the_end[0]);
  EXPECT_TRUE(usd.before_the_end[1]);
}

TEST(Compare, TheFrontierLeavesOutWhatIsDearerAndWorse) {
  const std::vector<Contender> three = {contender("best", 0.01, {3, 2.0}),
                                        contender("beaten", 0.012, {3, 2.1}),
                                        contender("cheap", 0.001, {3, 2.4})};
  EXPECT_EQ(frontier(three), (std::vector<int>{2, 0}));
  EXPECT_NEAR(usd_per_centibit(three[2], three[0]), (2 - 0.2) / 0.4 * 0.01, 1e-12);
  EXPECT_NEAR(last_usd_per_centibit(three[0]), 1 / 1.0 * 0.01, 1e-12);
}

TEST(Compare, RepeatsGiveTheSpread) {
  std::vector<Contender> runs = {contender("a1", 0.01, {2.10}), contender("a2", 0.01, {2.14}),
                                 contender("b", 0.01, {2.11})};
  runs[0].recipe = {{"train.seed", "1"}, {"train.learning_rate", "0.1"}};
  runs[1].recipe = {{"train.seed", "2"}, {"train.learning_rate", "0.1"}};
  runs[2].recipe = {{"train.seed", "1"}, {"train.learning_rate", "0.2"}};
  const EqualComparison equal = at_equal(runs, Against::kSteps);
  EXPECT_EQ(equal.n_repeats, 2);
  EXPECT_NEAR(equal.spread, 0.04 / std::sqrt(2.0), 1e-12);
  EXPECT_NE(winner_words(runs, equal).find("not distinguishable"), std::string::npos);
  runs.push_back(contender("a3", 0.01, {2.12}));
  runs[3].recipe = {{"train.seed", "3"}, {"train.learning_rate", "0.1"}};
  EXPECT_NEAR(at_equal(runs, Against::kSteps).spread, 0.02, 1e-12);
  const auto rows = recipe_difference(runs[0], runs[2]);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0], (std::vector<std::string>{"train.learning_rate", "0.1", "0.2"}));
}

TEST(Compare, ATrendThatHalvesEveryThirtyDays) {
  const double day = 86400;
  const std::vector<Contender> runs = {contender("c", 0.00250, {3, 2}, 60 * day),
                                       contender("a", 0.01, {3, 2}, 0.001),
                                       contender("b", 0.005, {3, 2}, 30 * day)};
  const Trend over_time = trend(runs);
  EXPECT_EQ(over_time.order, (std::vector<int>{1, 2, 0}));
  EXPECT_NEAR(over_time.usd_ratio_per_30_days, 0.5, 1e-6);
  EXPECT_EQ(trend_table(runs, over_time).rows[1][0], "1970-01-31");
}

TEST(Compare, ARunThatBeatsTheTargetAtOnceSaysTheMostItSpent) {
  const double day = 86400;
  const std::vector<Contender> runs = {contender("a", 0.01, {3, 2}, 1),
                                       contender("b", 0.005, {1.5, 1.2}, day),
                                       contender("c", 0.004, {3, 1.9}, 2 * day)};
  const Trend over_time = trend(runs);
  EXPECT_EQ(over_time.target, 2);
  const Table table = trend_table(runs, over_time);
  EXPECT_EQ(table.rows[1].back(), "at most 0.5000 USD");
  EXPECT_TRUE(std::isnan(over_time.usd_ratio_per_30_days));  // of two exact points: no trend
}

TEST(Compare, EvaluationsOnASampleAndOnAllTheTextDoNotMix) {
  Contender run = contender("a", 0.01, {3, 2.5, 2.2, 2.1});
  for (CurvePoint& point : run.curve) point.eval_bytes = 1000;
  CurvePoint all = run.curve.back();
  all.bits_per_byte = 2.15, all.usd = 8.1, all.eval_bytes = 50000;
  run.curve.push_back(all);
  EXPECT_NEAR(last_usd_per_centibit(run), (8 - 4) / 0.1 * 0.01, 1e-12);
  EXPECT_EQ(value_at(run, Against::kSteps, 800), 2.15);
  const auto notes = cautions({run, run}, at_equal({run, run}, Against::kSteps));
  EXPECT_TRUE(std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.find("a sample of the held-out text") != std::string::npos;
  }));
}

// The sentences of the page's verdict whose conditions hold, without "At ... each: ".
std::string shown(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  const MoneyPage page = compare_page(contenders, equal);
  std::string words;
  for (const PageSentence& sentence : page.says) {
    if (!sentence.when.empty() && !(page.sheet.value(sentence.when) > 0)) continue;
    const std::size_t each = sentence.text.find("each: ");
    words += (words.empty() ? "" : " ") +
             (each == std::string::npos ? sentence.text : sentence.text.substr(each + 6));
  }
  return words;
}

TEST(Compare, WithoutAWinnerItSaysWhatIsKnown) {
  std::vector<Contender> two = {contender("cheap", 0.01, {3}), contender("dear", 0.02, {2.5})};
  EXPECT_NE(winner_words(two, at_equal(two, Against::kUsd)).find("who spent more is better"),
            std::string::npos);
  two[1].curve[0].bits_per_byte = two[1].end.bits_per_byte = 3.5;
  const std::string words = winner_words(two, at_equal(two, Against::kUsd));
  EXPECT_NE(words.find("cheap spent least and is best at its end, of single runs"),
            std::string::npos);
  EXPECT_EQ(words.find("worth"), std::string::npos);
  EXPECT_EQ(shown(two, at_equal(two, Against::kUsd)),
            words.substr(words.find("fewer")));  // the page says the same
  EXPECT_EQ(winner_words(two, at_equal(two, Against::kUsd, 1e-6)).find("spent least"),
            std::string::npos);
  EXPECT_EQ(shown(two, at_equal(two, Against::kUsd, 1e-6)), kNoneThere);
}

TEST(Compare, OneRunAtTwoPricesHasNoWinner) {
  const std::vector<Contender> twice = {contender("a", 0.01, {3, 2.5, 2}, 5),
                                        contender("a (2)", 0.02, {3, 2.5, 2}, 5)};
  const EqualComparison equal = at_equal(twice, Against::kUsd);
  ASSERT_EQ(equal.winner, 0);  // it is the cheaper price that wins
  EXPECT_EQ(winner_words(twice, equal), kOneRun);
  EXPECT_EQ(compare_page(twice, equal).says.front().text, kOneRun);
  const std::vector<Contender> ends = {contender("a", 0.01, {2}, 5), contender("r", 0.02, {2})};
  EXPECT_EQ(winner_words(ends, at_equal(ends, Against::kUsd)), kOneRun);  // a run, its receipt
  const std::vector<Contender> other = {twice[0], contender("b", 0.02, {3, 2.5, 1.9}, 5)};
  EXPECT_NE(winner_words(other, at_equal(other, Against::kUsd)), kOneRun);
}

TEST(Compare, ARunAgainstItselfIsATieAndNoRepeat) {
  std::vector<Contender> twice = {contender("a", 0.01, {3, 2}, 5),
                                  contender("a (2)", 0.01, {3, 2}, 5)};
  twice[0].recipe = twice[1].recipe = {{"train.seed", "1"}};
  const EqualComparison equal = at_equal(twice, Against::kUsd);
  EXPECT_EQ(equal.winner, -1);
  EXPECT_EQ(equal.n_repeats, 0);
  EXPECT_EQ(winner_words(twice, equal), "At 2.00 USD each: the best are equal, no winner.");
  EXPECT_EQ(frontier(twice), (std::vector<int>{0}));
  EXPECT_TRUE(compare_json(twice, equal)["equal"]["winner"].is_null());
}

Json receipt() {
  return {
      {"run", "r"},
      {"steps", 10},
      {"tokens", 1000},
      {"model_flops", 1e9},
      {"joules", 5},
      {"core_seconds", 7200},
      {"seconds", {{"compute", 6}, {"eval", 4}, {"total", 10}}},
      {"usd", {{"total", 0.08}, {"by_category", {{"compute", 0.05}, {"eval", 0.03}}}}},
      {"price", {{"basis", "rent"}, {"rent", {{"value", 0.04}, {"unit", "USD per core-hour"}}}}},
      {"val_bits_per_byte", 2.1}};
}

TEST(Compare, AReceiptIsAContender) {
  const Contender found = contender_from_json(receipt(), "receipt.json");
  EXPECT_EQ(found.kind, "receipt");
  EXPECT_EQ(found.end.usd, 0.08);
  EXPECT_EQ(found.core_hours, 2);
  EXPECT_EQ(found.hour_usd, 0.04);
  EXPECT_EQ(found.curve.size(), 1u);
}

// docs/receipt.schema.json and nothing else.
Json anyones_receipt() {
  return {{"receipt", "farthing-receipt/1"},
          {"definitions",
           {{"final_run", "not stated"},
            {"all_runs", "not stated"},
            {"research_and_development", "not stated"},
            {"programme", "not stated"},
            {"amortised", "not stated"}}},
          {"compute",
           {{"training_flops", 1e20},
            {"training_time_hours", 10},
            {"device", "TPU v5e"},
            {"device_hours", 80},
            {"usd_per_device_hour", 1.2}}},
          {"energy", {{"kwh", 20}, {"basis", "measured"}}},
          {"tokens", 1e9},
          {"dates", {{"begun", "2026-01-01"}, {"ended", "2026-01-02"}}},
          {"prices", Json::array()},
          {"hashes", {{"weights", "not stated"}}}};
}

TEST(Compare, AnyonesReceiptIsAContenderAndItsDollarsMayBeNotStated) {
  // Hours and what one cost are dollars.
  EXPECT_EQ(contender_from_json(anyones_receipt(), "theirs.json").end.usd, 96);
  Json unpriced = anyones_receipt();
  unpriced["compute"].erase("usd_per_device_hour");
  Contender found = contender_from_json(unpriced, "theirs.json");
  EXPECT_TRUE(std::isnan(found.end.usd));
  EXPECT_EQ(found.end.tokens, 1e9);
  EXPECT_EQ(found.end.seconds, 36000);
  EXPECT_EQ(found.core_hours, 80);
  EXPECT_EQ(found.joules, 20 * 3.6e6);
  const std::vector<Contender> two = {contender("a", 0.01, {3, 2}), found};
  const std::string text = compare_text(two, at_equal(two, Against::kUsd));
  EXPECT_NE(text.find("theirs.json does not state its dollars"), std::string::npos);
  EXPECT_EQ(frontier(two), (std::vector<int>{0}));
  Json stated = anyones_receipt();
  stated["definitions"]["final_run"] = {{"usd", 96}, {"basis", "rent"}};
  found = contender_from_json(stated, "theirs.json");
  EXPECT_EQ(found.end.usd, 96);
  EXPECT_EQ(found.hour_usd, 1.2);
  EXPECT_EQ(found.price, "rent 1.2 USD per TPU v5e-hour");
  stated["tokens"] = "not stated", stated["definitions"]["final_run"] = "not stated";
  EXPECT_TRUE(std::isnan(contender_from_json(stated, "theirs.json").end.tokens));
}

TEST(Compare, AReceiptIsPricedAgainByItsHours) {
  PriceBook book;
  book.rent = {0.1, "USD per core-hour", "2026-06", "test", "assumed"};
  book.machine_cores = 1, book.machine_years = 1, book.machine_busy_share = 1;
  Contender again = contender_from_json(receipt(), "receipt.json");
  price_again(again, book);
  EXPECT_NEAR(again.end.usd, 0.2, 1e-12);  // two core-hours
  EXPECT_NEAR(again.curve[0].usd, 0.2, 1e-12);
  EXPECT_EQ(again.price, "rent 0.1 USD per core-hour");
  Contender theirs = contender_from_json(anyones_receipt(), "theirs.json");
  price_again(theirs, book);
  EXPECT_NEAR(theirs.end.usd, 8, 1e-12);  // what they did not state is known now
  Contender stated = contender("s", 0.01, {3, 2});
  price_again(stated, book);  // no hours
  EXPECT_EQ(stated.end.usd, 2);
}

TEST(Compare, APlanIsPricedLikeTheRunOfTheSamePrice) {
  const Json plan = {{"layout", Json::object()},
                     {"model", "m"},
                     {"cluster", "c"},
                     {"tokens", 1e9},
                     {"days", 1},
                     {"gpu_hours", 24},
                     {"usd", {{"total", 48}, {"usd_per_device_hour", 2}, {"device", "H800"}}}};
  const Contender found = contender_from_json(plan, "plan.json");
  EXPECT_EQ(found.price, "rent 2 USD per H800-hour");
  EXPECT_EQ(found.hour_usd, 2);
  Contender run = contender("run", 0.01, {3, 2});
  run.price = found.price;
  run.recipe = {{"train.eval_tokens", "4000"}, {"data.train", "d"}};
  const auto notes = cautions({run, found}, at_equal({run, found}, Against::kUsd));
  EXPECT_TRUE(std::none_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.starts_with("Priced differently") || note.starts_with("Evaluated on") ||
           note.starts_with("Trained on");  // the plan was not evaluated at all
  }));
}

TEST(Compare, APlanOfThisMachineHasCoreHoursForABook) {
  PriceBook book;
  book.rent = {0.1, "USD per core-hour", "2026-06", "test", "assumed"};
  Contender here = contender_from_json({{"layout", Json::object()},
                                        {"model", "m"},
                                        {"cluster", "here"},
                                        {"tokens", 1e6},
                                        {"days", 1},
                                        {"core_hours", 48},
                                        {"joules", 3.6e6}},
                                       "plan.json");
  EXPECT_TRUE(std::isnan(here.end.usd));
  EXPECT_EQ(here.joules, 3.6e6);
  price_again(here, book);
  EXPECT_NEAR(here.end.usd, 4.8, 1e-12);
}

// One run, one book, one answer: a book's watts are no measurement, a meter's joules are.
TEST(Compare, AnotherBookEstimatesTheEnergyAnew) {
  PriceBook book;
  book.is_owned = true, book.machine_cores = 4, book.machine_years = 1;
  book.machine_busy_share = 1, book.power.value = 400, book.cooling.value = 1;
  book.electricity.value = 0.5;
  for (const bool is_estimated : {true, false}) {
    Contender run = contender_from_json({{"run", "r"},
                                         {"origin", "trained"},
                                         {"tokens", 1e6},
                                         {"core_seconds", 36000},
                                         {"joules", 9e6},
                                         {"joules_estimated", is_estimated},
                                         {"usd", {{"total", 1}}}},
                                        "receipt.json");
    price_again(run, book);
    const double joules = is_estimated ? 36000 * 100 : 9e6;
    EXPECT_NEAR(run.joules, joules, 1e-6) << is_estimated;
    EXPECT_NEAR(run.end.usd, joules / 3.6e6 * 0.5, 1e-9) << is_estimated;
  }
}

TEST(Compare, ReceiptsThatContradictThemselvesAreRefused) {
  const auto complaint = [](const Json& json) -> std::string {
    try {
      contender_from_json(json, "receipt.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      return error.message;
    }
    return "none";
  };
  EXPECT_EQ(complaint(receipt()), "none");
  Json bad = receipt();
  bad["seconds"]["total"] = 12;
  EXPECT_NE(complaint(bad).find("contradicts"), std::string::npos);
  bad = receipt();
  bad["usd"]["total"] = 1;
  EXPECT_NE(complaint(bad).find("usd.total contradicts"), std::string::npos);
  bad = receipt();
  bad["usd"]["currency"] = "EUR";
  EXPECT_NE(complaint(bad).find("EUR"), std::string::npos);
  bad = receipt();
  bad["tokens"] = -1;
  EXPECT_NE(complaint(bad).find("tokens"), std::string::npos);
  bad = receipt();
  bad["tokens"] = "many";
  EXPECT_NE(complaint(bad).find("a number or null"), std::string::npos);
  bad = receipt();
  bad["usd"] = 3;
  EXPECT_EQ(complaint(bad), "none");  // tokens are enough
  EXPECT_NE(complaint(Json::array()).find("not an object"), std::string::npos);
  EXPECT_NE(complaint({{"x", 1}}).find("neither"), std::string::npos);
}

// Hours at a price of an hour each, and the same at other prices.
std::vector<Contender> hired(const std::vector<double>& prices) {
  std::vector<Contender> all;
  const std::vector<std::vector<double>> bits = {{3, 2.5, 2.2}, {2.9, 2.6, 2.3}, {3.1, 2.45, 2.0}};
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const double hours_per_step = 0.01 * static_cast<double>(i + 1);
    all.push_back(
        contender(std::string(1, static_cast<char>('a' + i)), hours_per_step * prices[i], bits[i]));
    all[i].core_hours = hours_per_step * 400, all[i].hour_usd = prices[i];
    all[i].price = "rent " + std::to_string(i);
  }
  all[0].recipe = all[1].recipe = {{"train.seed", "1"}};
  return all;
}

TEST(Compare, AtOtherPricesThePageSaysWhatThoseRunsWouldSay) {
  const std::vector<Contender> made = hired({1, 2, 3});
  const Sheet sheet = CompareSheet(made, at_equal(made, Against::kUsd)).take();
  for (const auto& prices : std::vector<std::vector<double>>{
           {1, 2, 3}, {1, 1, 1}, {5, 0.1, 1}, {0.2, 9, 0.01}, {1, 0.5, 1.0 / 3}}) {
    const std::vector<Contender> other = hired(prices);
    const EqualComparison equal = at_equal(other, Against::kUsd);
    auto values =
        sheet.values_with({{"price_1", prices[0]}, {"price_2", prices[1]}, {"price_3", prices[2]}});
    EXPECT_NEAR(values["equal_at"], equal.at, 1e-9);
    const std::vector<int> best = frontier(other);
    for (std::size_t i = 0; i < other.size(); ++i) {
      const auto id = [&](const char* what) { return CompareSheet::id(what, i); };
      EXPECT_NEAR(values[id("usd")], other[i].end.usd, 1e-9);
      EXPECT_EQ(values[id("missing")] > 0, std::isnan(equal.bits_per_byte[i]));
      if (std::isfinite(equal.bits_per_byte[i])) {
        EXPECT_NEAR(values[id("bits_at")], equal.bits_per_byte[i], 1e-9);
      }
      EXPECT_EQ(values[id("is_best")] > 0, equal.winner == static_cast<int>(i));
      EXPECT_EQ(values[id("early")] > 0, equal.before_the_end[i]);
      const auto place = std::find(best.begin(), best.end(), static_cast<int>(i));
      EXPECT_EQ(values[id("on")] > 0, place != best.end());
      if (place == best.end() || place == best.begin()) continue;
      EXPECT_NEAR(values[id("centibit")],
                  usd_per_centibit(other[static_cast<std::size_t>(place[-1])], other[i]), 1e-9);
    }
    if (std::isfinite(equal.margin)) {
      EXPECT_NEAR(values["margin"], equal.margin, 1e-9);
    }
    if (equal.n_repeats > 0) {
      EXPECT_NEAR(values["spread"], equal.spread, 1e-9);
    }
  }
}

TEST(Compare, TheElectricityOfAnOwnedMachineHasItsOwnPrice) {
  std::vector<Contender> two = hired({1, 2, 3});
  two.resize(2);
  two[1].kwh = 4, two[1].kwh_usd = 0.5, two[1].hour_usd = (two[1].end.usd - 2) / two[1].core_hours;
  const Sheet sheet = CompareSheet(two, at_equal(two, Against::kUsd)).take();
  EXPECT_NEAR(sheet.value("usd_1"), two[1].end.usd, 1e-9);
  EXPECT_NEAR(sheet.value_with("usd_1", {{"price_3", 1.5}}), two[1].end.usd + 4, 1e-9);
}

TEST(Compare, DollarsWithoutHoursStayAndThePageSaysSo) {
  std::vector<Contender> two = hired({3, 1.5, 1});
  two[2].core_hours = two[2].hour_usd = kNotStated;
  const EqualComparison equal = at_equal(two, Against::kUsd);
  const Sheet sheet = CompareSheet(two, equal).take();
  EXPECT_EQ(sheet.value_with("usd_2", {{"price_1", 5}}), two[2].end.usd);
  EXPECT_NEAR(sheet.value("bits_at_2"), equal.bits_per_byte[2], 1e-9);
  EXPECT_NE(to_html(compare_page(two, equal)).find("no slider moves them"), std::string::npos);
}

TEST(Compare, AThousandRunsHaveAPage) {
  std::vector<Contender> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(contender(std::to_string(i), 0.01, {3, 2 + 0.001 * (i * 37 % 1000)}));
  }
  const EqualComparison equal = at_equal(many, Against::kUsd);
  const Sheet sheet = CompareSheet(many, equal).take();
  EXPECT_EQ(sheet.value("n_at"), 1000);
  EXPECT_NEAR(sheet.value("margin"), equal.margin, 1e-12);
  const std::string note = "no slider brings another one there";
  EXPECT_NE(to_html(compare_page(many, equal)).find(note), std::string::npos);
  many.resize(kMostOnFrontier);
  EXPECT_EQ(to_html(compare_page(many, at_equal(many, Against::kUsd))).find(note),
            std::string::npos);
}

TEST(Compare, UnknownIsNotStatedAndThePageEscapesNames) {
  std::vector<Contender> two = {contender("<script>", 0.01, {3, 2}),
                                contender_from_json(receipt(), "r.json")};
  two[1].end.bits_per_byte = kNotStated, two[1].curve.clear();
  const EqualComparison equal = at_equal(two, Against::kUsd);
  EXPECT_EQ(equal.winner, -1);
  const std::string text = compare_text(two, equal);
  EXPECT_NE(text.find("not stated"), std::string::npos);
  EXPECT_NE(text.find("Priced differently"), std::string::npos);
  const std::string html = to_html(compare_page(two, equal));
  EXPECT_EQ(html.find("<script>,"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_TRUE(compare_json(two, equal)["equal"]["winner"].is_null());
}

}  // namespace
}  // namespace farthing
