// bad_input_test.cpp - what cannot be planned is one message that says what would work.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/share.h"
#include "plan/plan.h"

namespace farthing {
namespace {

class BadInput : public testing::Test {
 protected:
  void SetUp() override { set_share_folder(FARTHING_SOURCE_DIR); }
};

std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "nothing was thrown";
}

std::string cluster_refusal(const std::string& override_text) {
  return refusal_of([&] { (void)load_cluster("h800-2048", {override_text}); });
}

TEST_F(BadInput, FiguresOfAClusterNameTheirRangeOrUnits) {
  EXPECT_NE(cluster_refusal("network.scale_out=0 Gbit/s").find("network.scale_out"),
            std::string::npos);
  EXPECT_NE(cluster_refusal("network.scale_out=400 parsecs").find("wanted GB/s"),
            std::string::npos);
  EXPECT_NE(cluster_refusal("network.scale_out=400 Gb/s").find("Gbit/s"), std::string::npos);
  EXPECT_NE(cluster_refusal("device.memory=80 PB").find("device.memory"), std::string::npos);
  EXPECT_NE(cluster_refusal("netwrok.scale_out=400 Gbit/s").find("netwrok"), std::string::npos);
}

TEST_F(BadInput, AnUnknownKeyNamesThoseBesideIt) {
  EXPECT_NE(cluster_refusal("network.number_of_planes=1").find("known there: "), std::string::npos);
  EXPECT_NE(cluster_refusal("network.number_of_planes=1").find("scale_out_latency"),
            std::string::npos);
  EXPECT_NE(cluster_refusal("inter_node.cabling=1").find("sections: "), std::string::npos);
}

TEST_F(BadInput, SettledPartsThatCannotExistSayWhatWould) {
  PlanRequest request;
  request.model = load_model_shape("deepseek-v3");
  request.cluster = load_cluster("h800-2048");
  request.batch.global_batch = 15360;
  request.pins.pp = 16;
  request.pins.ep = 7;
  const auto plan = [&] { (void)make_plan(request); };
  EXPECT_NE(refusal_of(plan).find("no layout of 2048 devices with PP16 EP7 can exist:"),
            std::string::npos)
      << refusal_of(plan);
  EXPECT_NE(refusal_of(plan).find("EP 7 does not divide 256 experts; EP 8 would"),
            std::string::npos);
  request.pins.ep = 0;
  request.pins.pp = 3;
  EXPECT_NE(refusal_of(plan).find("would use 2046"), std::string::npos) << refusal_of(plan);
}

TEST_F(BadInput, FormatsAreThoseThatTheDeviceMultiplies) {
  PlanRequest request;
  request.model = load_model_shape("deepseek-v3");
  request.cluster = load_cluster("h800-2048");
  request.batch.global_batch = 15360;
  request.precision = NumberFormat::kMxfp8;
  const std::string refusal = refusal_of([&] { (void)make_plan(request); });
  EXPECT_NE(refusal.find("h800 has no mxfp8 products; fp8 would work"), std::string::npos)
      << refusal;
  EXPECT_TRUE(has_products(load_cluster("b200-1024").device, NumberFormat::kMxfp8));
  EXPECT_FALSE(has_products(load_cluster("a100-1024").device, NumberFormat::kFp8));
}

TEST_F(BadInput, AnOverrideReplacesAFigureWithItsSource) {
  const Cluster cluster =
      load_cluster("h800-2048", {"reliability.device_failures=0.01 1/h", "reliability.repair=2 h"});
  EXPECT_NEAR(cluster.reliability.device_failures.value, 0.01 / 3600, 1e-12);
  EXPECT_EQ(cluster.reliability.repair.value, 7200);
  EXPECT_THROW(load_cluster("h800-2048", {"facility.pue="}), Error);
}

TEST_F(BadInput, CountsOfThingsAreWhole) {
  for (const char* text : {"cluster.nodes=2.5", "node.devices=7.5", "network.scale_up_domain=1.5",
                           "reliability.spares=0.5"}) {
    EXPECT_NE(cluster_refusal(text).find("a whole number"), std::string::npos) << text;
  }
}

TEST_F(BadInput, ARunIsAtLeastAStepAndEnds) {
  PlanRequest request;
  request.model = load_model_shape("llama3.1-8b");
  request.cluster = load_cluster("h100-512");
  request.batch.global_batch = 1024;
  request.tokens = 1e6;
  EXPECT_NE(refusal_of([&] { (void)make_plan(request); }).find("at least one step"),
            std::string::npos);
  request.tokens = 1e12;
  request.cluster = load_cluster("h100-512", {"reliability.device_failures=0.3 1/h"});
  EXPECT_NE(refusal_of([&] { (void)make_plan(request); }).find("a run that never ends"),
            std::string::npos);
}

TEST_F(BadInput, ChunksWantTheInterleavedSchedule) {
  PlanRequest request;
  request.model = load_model_shape("llama3.1-8b");
  request.cluster = load_cluster("h100-512");
  request.batch.global_batch = 1024;
  const auto refusal = [&](int pp, int vp, std::optional<PipelineSchedule> schedule) {
    request.pins = {};
    request.pins.pp = pp;
    request.pins.vp = vp;
    request.pins.schedule = schedule;
    return refusal_of([&] { (void)make_plan(request); });
  };
  EXPECT_NE(refusal(2, 4, PipelineSchedule::kOneFOneB).find("VP 4 goes with"), std::string::npos);
  EXPECT_NE(refusal(2, 4, PipelineSchedule::kDualPipe).find("VP 4 goes with"), std::string::npos);
  EXPECT_NE(refusal(1, 4, {}).find("PP 2 or more"), std::string::npos);
  EXPECT_NE(refusal(2, 0, PipelineSchedule::kNone).find("wants a schedule"), std::string::npos);
}

TEST_F(BadInput, EncodersAndStateSpaceModelsAreNotDecoders) {
  const auto refusal = [&](const char* type) {
    Json json = {{"model_type", type},        {"vocab_size", 32000},
                 {"hidden_size", 4096},       {"num_hidden_layers", 4},
                 {"num_attention_heads", 32}, {"intermediate_size", 11008}};
    return refusal_of([&] { (void)model_shape_from_json(json, "config.json"); });
  };
  EXPECT_NE(refusal("bert").find("not planned"), std::string::npos);
  EXPECT_NE(refusal("mamba").find("not planned"), std::string::npos);
  EXPECT_EQ(refusal("some_new_llama"), "nothing was thrown");
}

TEST_F(BadInput, SevenDevicesForEightWayExpertsSayWhatWouldWork) {
  PlanRequest request;
  request.model = load_model_shape("deepseek-v3");
  request.cluster = with_devices(load_cluster("h800-2048"), 7);
  request.batch.global_batch = 14;
  request.layout = Layout{.ep = 8, .dp = 7};
  const std::string message = refusal_of([&] { (void)make_plan(request); });
  // 7 ranks and 256 experts have only EP 1 in common.
  EXPECT_NE(message.find("EP 8 x ETP 1 does not divide the 7 ranks"), std::string::npos) << message;
  EXPECT_NE(message.find("EP 1 would"), std::string::npos) << message;
}

TEST_F(BadInput, AbsurdQuantitiesNameTheirLimit) {
  PlanRequest request;
  request.model = load_model_shape("deepseek-v3");
  request.cluster = load_cluster("h800-2048");
  request.tokens = 1e40;
  EXPECT_NE(refusal_of([&] { (void)make_plan(request); }).find("up to 1e17"), std::string::npos);
  request.tokens = 1e12;
  request.layout = Layout{.pp = 3, .dp = 227, .tp = 3};
  EXPECT_NE(refusal_of([&] { (void)make_plan(request); }).find("TP 2 would"), std::string::npos);
}

}  // namespace
}  // namespace farthing
