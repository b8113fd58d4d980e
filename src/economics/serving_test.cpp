// serving_test.cpp - the published day, the roofline's sanity, lifetime and API crossings.
#include "economics/serving.h"

#include <gtest/gtest.h>

#include <cmath>

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
}

TEST_F(Serving, AnOwnModelBeatsAnApiWhereTheBillsAreEqual) {
  OwnServing own{.train_usd = 1e5,
                 .months = 12,
                 .floor_devices = 8,
                 .usd_per_device_hour = 2,
                 .usd_per_million = 0.1};
  for (const double api : {0.2, 1.0, 5.0}) {
    const double tokens = own_beats_api_at(own, api);
    EXPECT_NEAR(own_usd(own, tokens), tokens / 1e6 * api * 365, 1e-6 * own_usd(own, tokens)) << api;
  }
  own.usd_per_million = 10;
  EXPECT_TRUE(std::isnan(own_beats_api_at(own, 0.5)));
}

}  // namespace
}  // namespace farthing
