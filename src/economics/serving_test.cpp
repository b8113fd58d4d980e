// serving_test.cpp - the published day, the roofline's sanity, lifetime and API crossings.
#include "economics/serving.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/share.h"
#include "economics/serving_answer.h"

namespace farthing {
namespace {

class Serving : public testing::Test {
 protected:
  Serving() { set_share_folder(FARTHING_SOURCE_DIR); }
};

const ModelShape& v3() {
  static const ModelShape shape = load_model_shape("deepseek-v3");
  return shape;
}
const Cluster& h800() {
  static const Cluster cluster = load_cluster("h800-2048");
  return cluster;
}

TEST_F(Serving, ThePublishedDayComesOutOfItsThroughput) {
  const PublishedDay day;
  const ServeDay found = serve_day(day.rate, day.load, day.prices);
  EXPECT_NEAR(found.prefill_nodes + found.decode_nodes, day.nodes, 0.01 * day.nodes);
  EXPECT_NEAR(found.cost_usd, day.cost_usd, 0.01 * day.cost_usd);
  EXPECT_NEAR(found.revenue_usd, day.revenue_usd, 0.01 * day.revenue_usd);
  EXPECT_NEAR(found.cost_profit, day.cost_profit, 0.02 * day.cost_profit);
  EXPECT_NEAR(found.gross_margin, 1 - day.cost_usd / day.revenue_usd, 0.002);
}

ServeQuestion question(const std::string& model, const std::string& cluster) {
  ServeQuestion question;
  question.shape = load_model_shape(model);
  question.cluster = load_cluster(cluster);
  question.prices.usd_per_device_hour = 2.5;
  question.rent_source = "a test";
  return question;
}

TEST_F(Serving, WholeDevicesStandDayAndNight) {
  ServeQuestion few = question("llama3.1-70b", "h100-512");
  few.load.input_tokens_per_day = few.load.output_tokens_per_day = 1e6;
  few.prices.input_usd = few.prices.output_usd = few.prices.hit_usd = 1;
  few.load.bytes_per_weight = 2;  // 141 GB of weights in two times 0.9 of 80 GiB
  const ServeAnswer answer = answer_serving(few);
  EXPECT_EQ(answer.floor_devices, 2);
  EXPECT_EQ(answer.day.cost_usd, 2 * 24 * 2.5);
  EXPECT_LT(answer.day.used_usd, 0.1 * answer.day.cost_usd);
  EXPECT_NEAR(answer.day.gross_margin, 1 - 120 / 2.0, 1e-9);
  EXPECT_NEAR(answer.mix_usd_per_million, 60, 1e-9);
  const double parts = answer.day.usd_per_million_input + answer.day.usd_per_million_output;
  EXPECT_NEAR(parts, answer.day.cost_usd, 1e-6);  // a million of each
  EXPECT_NEAR(serving_usd(answer.own, answer.lifetime_tokens), 365.25 * 120.0, 1e-6);
  EXPECT_NE(to_text(answer).find("the smallest instance, 2 devices, costs $120.00"),
            std::string::npos);
  const MoneyPage page = serving_page(answer);
  EXPECT_EQ(page.sheet.value("cost_day"), 120);
  EXPECT_GT(page.sheet.value("is_idle"), 0);
  // Beyond it nothing changes.
  const ServeDay full = serve_day({.prefill = 1e4, .decode = 1e3}, {}, {}, 8);
  EXPECT_EQ(full.cost_usd, serve_day({.prefill = 1e4, .decode = 1e3}, {}, {}).cost_usd);
  EXPECT_GT(smallest_instance(v3(), h800(), {}), 8);
}

TEST_F(Serving, NobodyElsesModelIsSoldAtR1sPrices) {
  const ServePrices none{2, kNotStated, kNotStated, kNotStated};
  const PriceList list = load_price_list();
  const auto filled = [&](ServeQuestion asked, const ServePrices& prices) {
    asked.prices = prices;
    fill_prices(list, asked);
    return asked;
  };
  const ServeQuestion sold = filled(question("deepseek-v3", "h800-2048"), none);
  EXPECT_EQ(sold.prices.input_usd, ServePrices().input_usd);
  EXPECT_EQ(sold.prices.hit_usd, ServePrices().hit_usd);
  EXPECT_EQ(sold.prices.output_usd, ServePrices().output_usd);
  EXPECT_NE(to_text(answer_serving(sold)).find("(DeepSeek-R1"), std::string::npos);
  // A model of a like name is another model.
  EXPECT_TRUE(std::isnan(filled(question("deepseek-v3.2", "h800-2048"), none).prices.input_usd));
  ServeQuestion other = filled(question("moe-30b-a8b", "h100-8"), none);
  const ServeAnswer unsold = answer_serving(other);
  const Json json = to_json(unsold);
  EXPECT_TRUE(json["day"]["revenue_usd"].is_null());
  EXPECT_TRUE(json["day"]["gross_margin"].is_null());
  EXPECT_TRUE(json["day"]["cost_profit"].is_null());
  EXPECT_EQ(to_text(unsold).find("R1"), std::string::npos);
  EXPECT_NE(to_text(unsold).find("Revenue and margin are not stated"), std::string::npos);
  const std::string html = to_html(serving_page(unsold));
  EXPECT_NE(html.find("revenue and margin are not stated"), std::string::npos);
  EXPECT_EQ(html.find("DeepSeek-R1's prices"), std::string::npos);
  other = filled(other, {2, 1, kNotStated, 3});
  EXPECT_EQ(other.prices.hit_usd, 1);
  EXPECT_GT(answer_serving(other).day.revenue_usd, 0);
}

TEST_F(Serving, PageAndTextAreOneFormulaWhateverIsInTheCache) {
  for (const double hits : {0.0, 0.5625, 1.0}) {
    ServeQuestion asked = question("deepseek-v3", "h800-2048");
    asked.load.hit_share = hits;
    const ServeAnswer answer = answer_serving(asked);
    const Sheet& sheet = serving_page(answer).sheet;
    const auto expect = [&](const char* id, double value) {
      EXPECT_NEAR(sheet.value(id), value, 1e-9 * value) << id << " at " << hits;
    };
    expect("usd_in", answer.day.usd_per_million_input);
    expect("usd_out", answer.day.usd_per_million_output);
    expect("cost_day", answer.day.cost_usd);
    expect("margin", 100 * answer.day.gross_margin);
  }
}

TEST_F(Serving, WhoseTrafficItIsStandsFirstAndWarningsStandInTheText) {
  ServeQuestion asked = question("moe-30b-a8b", "h100-8");
  asked.warnings = {"h100-sxm on-demand: price of 2020, 80 months old"};
  const ServeAnswer answer = answer_serving(asked);
  const std::string text = to_text(answer);
  const std::string head = text.substr(0, text.find("\n\n"));
  EXPECT_NE(head.find("DeepSeek's published day (--input, --output)"), std::string::npos) << head;
  EXPECT_NE(head.find("nodes; h100-8 has 1"), std::string::npos) << head;
  EXPECT_NE(text.find("Warning: h100-sxm on-demand: price of 2020"), std::string::npos);
  EXPECT_EQ(to_json(answer)["warnings"].size(), 1u);
  const MoneyPage page = serving_page(answer);
  EXPECT_NE(page.answer.find("DeepSeek's published day"), std::string::npos);
  EXPECT_GT(page.sheet.value("is_short"), 0);
  const std::string html = to_html(page);
  EXPECT_NE(html.find("Warning: h100-sxm on-demand"), std::string::npos);
}

TEST_F(Serving, PredictionBoundsBothPublishedDeployments) {
  ServeAnswer answer;
  judge_prediction(answer, v3(), h800(), with_devices(load_cluster("h100-512"), 96));
  // A saturated roofline lies above what was published, and within a factor of two.
  for (const double error : {answer.prefill_error, answer.decode_error, answer.sglang_prefill_error,
                             answer.sglang_decode_error}) {
    EXPECT_GT(error, 0);
    EXPECT_LT(error, 1);
  }
  // At full load and balanced, on the profile's own instances.
  for (const double error : {answer.profile_prefill_error, answer.profile_decode_error}) {
    EXPECT_GT(error, 0);
    EXPECT_LT(error, 0.5);
  }
  EXPECT_NEAR(answer.profile_over_day_prefill, 62713 / 32206.0, 0.005);  // as SGLang has it
  EXPECT_NEAR(answer.profile_over_day_decode, 1.257, 0.001);
  // The day's rates are means over the node-hours held, idle ones included.
  EXPECT_NEAR(answer.day_nodes, answer.day_nodes_published, 1e-3 * answer.day_nodes_published);
}

TEST_F(Serving, DecodeGrowsWithPatienceAndShrinksWithContext) {
  ServeLoad load;
  const double usual = predict_decode(v3(), h800(), load).tokens_per_second;
  load.tokens_per_second_reader = 60;
  EXPECT_LT(predict_decode(v3(), h800(), load).tokens_per_second, usual);
  load.tokens_per_second_reader = 20;
  load.context = 50000;
  EXPECT_LT(predict_decode(v3(), h800(), load).tokens_per_second, usual);
  const PhaseRate rate = predict_decode(v3(), h800(), load);
  EXPECT_LE(rate.memory_bytes, h800().device.memory.value);
  EXPECT_GE(load.tokens_per_step / rate.step_seconds, load.tokens_per_second_reader);
}

TEST_F(Serving, EveryMechanismCostsThroughput) {
  const ServeLoad load;
  const double prefill = predict_prefill(v3(), h800(), load).tokens_per_second;
  const double decode = predict_decode(v3(), h800(), load).tokens_per_second;
  const auto without = [&](double ServeEfficiency::*field, double value) {
    ServeEfficiency efficiency;
    efficiency.*field = value;
    return std::pair{predict_prefill(v3(), h800(), load, efficiency).tokens_per_second / prefill,
                     predict_decode(v3(), h800(), load, efficiency).tokens_per_second / decode};
  };
  const auto balanced = without(&ServeEfficiency::expert_spread, 0);
  EXPECT_GT(balanced.first, 1.03);
  EXPECT_GT(balanced.second, 1.03);
  EXPECT_GT(without(&ServeEfficiency::communication_units, 0).first, 1.1);
  EXPECT_GT(without(&ServeEfficiency::direct_link, 1).second, 1.03);
  EXPECT_GT(without(&ServeEfficiency::fp8_block, 1).first, 1.03);
  ServeLoad cold = load;  // a cached prefix leaves fewer tokens, each with more keys before it
  cold.hit_share = 0;
  EXPECT_GT(predict_prefill(v3(), h800(), cold).tokens_per_second, prefill);
}

TEST_F(Serving, AStepOfDirectKernelsTakesAtLeastTheirPublishedTime) {
  // DeepEP at 128 devices, 128 rows: 192 us out and 369 us back in each of 58 layers.
  const PhaseRate rate = predict_decode(v3(), h800(), {});
  const double wire = rate.wire_seconds / rate.sequences * 128;
  EXPECT_GT(wire, 58 * 561e-6 * 0.8);  // fewer devices, more of it within a node
  EXPECT_LT(wire, 58 * 561e-6 * 1.6);  // the fullest device waits longer
}

TEST_F(Serving, ADenseStepReadsItsWeightsOnce) {
  // One sequence on one device: the step is the weights over the bandwidth, cache and core aside.
  const ModelShape llama = load_model_shape("llama3.1-8b");
  const Cluster one = with_devices(load_cluster("h100-8"), 8);
  ServeLoad load;
  load.context = 1, load.bytes_per_weight = 2, load.tokens_per_second_reader = 180;
  const PhaseRate rate = predict_decode(llama, one, load);
  const double weights = 2 * 8.03e9 / rate.devices;
  EXPECT_GT(rate.step_seconds, weights / one.device.memory_bandwidth.value);
  EXPECT_LT(rate.step_seconds, 1 / 180.0 + 1e-9);
}

TEST_F(Serving, WhatDoesNotFitIsAResource) {
  try {
    predict_decode(v3(), with_devices(load_cluster("h100-8"), 8), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource);
  }
}

TEST_F(Serving, AbsurdInputsAreRefused) {
  const ServeRate rate{.prefill = 1000, .decode = 1000};
  ServeLoad load;
  for (double ServeLoad::*field : {&ServeLoad::input_tokens_per_day, &ServeLoad::hit_share,
                                   &ServeLoad::load, &ServeLoad::context}) {
    ServeLoad bad = load;
    bad.*field = -1;
    EXPECT_THROW(serve_day(rate, bad, {}), Error);
    bad.*field = std::nan("");
    EXPECT_THROW(serve_day(rate, bad, {}), Error);
  }
  ServeLoad nothing = load;
  nothing.input_tokens_per_day = nothing.output_tokens_per_day = 0;
  EXPECT_THROW(serve_day(rate, nothing, {}), Error);
  load.hit_share = 1.5;
  EXPECT_THROW(serve_day(rate, load, {}), Error);
  EXPECT_THROW(serve_day({.prefill = 0, .decode = 1}, {}, {}), Error);
  EXPECT_THROW(serve_day(rate, {}, {.usd_per_device_hour = 0}), Error);
}

TEST_F(Serving, TheDearerModelThatServesCheaperWinsInTheEnd) {
  const Offer dear{"dear", 5e6, 0.10}, cheap{"cheap", 1e6, 0.30};
  const double level = lifetime_crossover(dear, cheap);
  EXPECT_NEAR(level, 4e6 / 0.20 * 1e6, 1);
  EXPECT_NEAR(lifetime_usd(dear, level), lifetime_usd(cheap, level), 1e-3);
  EXPECT_LT(lifetime_usd(dear, 2 * level), lifetime_usd(cheap, 2 * level));
  EXPECT_TRUE(std::isnan(lifetime_crossover(dear, {"both cheaper", 1e6, 0.05})));
  EXPECT_TRUE(std::isnan(lifetime_crossover(dear, {"as dear to train", 5e6, 0.05})));
}

// What nobody stated is not 0: neither in a sum, nor in who is cheaper.
TEST_F(Serving, WhatIsNotStatedIsNotCompared) {
  ServeQuestion asked = question("deepseek-v3", "h800-2048");
  const auto text_has = [&](const std::string& words) {
    const ServeAnswer answer = answer_serving(asked);
    std::string text = to_text(answer);
    std::replace(text.begin(), text.end(), '\n', ' ');
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
    EXPECT_NE(to_html(serving_page(answer)).find("Over its life"), std::string::npos);
    return to_json(answer)["lifetime"];
  };
  asked.rival.train_usd = 1e8;
  Json life = text_has("$100M to train; its serving is not stated (--rival-serve-usd)");
  EXPECT_TRUE(life["crossover_tokens"].is_null());
  EXPECT_TRUE(life["rival_usd"].is_null());
  EXPECT_TRUE(life["usd"].is_null());
  EXPECT_GT(life["serving_alone"]["usd"].get<double>(), 0);
  asked.rival = {"", kNotStated, 0.05};
  life = text_has("Serving alone, the other is cheaper over this life; training is not stated");
  EXPECT_TRUE(life["crossover_tokens"].is_null());
  EXPECT_GT(serving_page(answer_serving(asked)).sheet.value("rival_wins"), 0);
  asked.rival.train_usd = 1e6;
  text_has("this one's training is not stated (--train-usd)");
  asked.api_usd_per_million = 0.2;
  life = text_has("day and night, its training apart (not stated)");
  EXPECT_TRUE(life["api_break_even_tokens_per_day"].is_null());
  EXPECT_GT(life["serving_alone"]["api_break_even_tokens_per_day"].get<double>(), 0);
  asked.train_usd = 5.576e6, asked.rival.train_usd = 1e8;  // and now all of it is
  life = text_has("they are level at");
  const ServeAnswer answer = answer_serving(asked);
  EXPECT_NEAR(life["usd"].get<double>(), serving_page(answer).sheet.value("life"), 1e-3);
  EXPECT_NEAR(life["rival_usd"].get<double>(), serving_page(answer).sheet.value("rival_life"),
              1e-3);
  asked.train_usd = 0;  // given away: stated
  EXPECT_FALSE(text_has("to train and serve")["usd"].is_null());
}

TEST_F(Serving, AnOwnModelBeatsAnApiWhereTheBillsAreEqual) {
  OwnServing own{.train_usd = 1e5,
                 .months = 12,
                 .floor_devices = 8,
                 .usd_per_device_hour = 2,
                 .usd_per_million = 0.1};
  for (const double api : {0.2, 1.0, 5.0}) {
    const double tokens = own_beats_api_at(own, api);
    EXPECT_NEAR(own_usd(own, tokens), tokens / 1e6 * api * 365.25, 1e-6 * own_usd(own, tokens))
        << api;
  }
  own.usd_per_million = 10;
  EXPECT_TRUE(std::isnan(own_beats_api_at(own, 0.5)));
}

}  // namespace
}  // namespace farthing
