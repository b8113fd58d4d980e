// bad_input_test.cpp - what cannot be planned is one message that says what would work.
#include <gtest/gtest.h>

#include <functional>

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
  EXPECT_NE(refusal_of(plan).find("no layout with PP16 EP7 can exist:"), std::string::npos)
      << refusal_of(plan);
  EXPECT_NE(refusal_of(plan).find("EP 7 does not divide 256 experts; EP 8 would"),
            std::string::npos);
  request.pins.ep = 0;
  request.pins.pp = 3;
  EXPECT_NE(refusal_of(plan).find("would use 2046"), std::string::npos) << refusal_of(plan);
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
