// simulate_plan_test.cpp - a plan and its simulation say the same; known runs are inside.
#include "simulate/simulate_plan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/share.h"
#include "ledger/history.h"

namespace farthing {
namespace {

class SimulatePlan : public testing::Test {
 protected:
  SimulatePlan() { set_share_folder(FARTHING_SOURCE_DIR); }
};

Plan planned(const std::string& model, const std::string& cluster, Layout layout, double tokens,
             BatchShape batch) {
  PlanRequest request;
  request.model = load_model_shape(model);
  request.cluster = load_cluster(cluster);
  request.tokens = tokens;
  request.batch = batch;
  request.layout = layout;
  request.precision = layout.precision;
  return make_plan(request);
}

Plan v3_plan(PipelineSchedule schedule) {
  Layout layout{.pp = 16, .ep = 64, .dp = 128};
  layout.schedule = schedule;
  layout.precision = NumberFormat::kFp8Block;
  layout.recompute = RecomputeMode::kFull;
  return planned("deepseek-v3", "h800-2048", layout, 14.8e12, {4096, 15360});
}

const SimulationOptions kQuick{.seed = 1, .n_runs = 100, .n_draws = 200};

TEST_F(SimulatePlan, OneStepTimeAndOneBubble) {
  std::vector<Plan> plans;
  for (const auto kind : {PipelineSchedule::kDualPipe, PipelineSchedule::kOneFOneB,
                          PipelineSchedule::kZb1p, PipelineSchedule::kDualPipeV}) {
    plans.push_back(v3_plan(kind));
  }
  PlanRequest searched = plans.front().request;
  searched.layout.reset();
  plans.push_back(make_plan(searched));
  for (const Plan& plan : plans) {
    ASSERT_TRUE(plan.fits);
    const StepTime& step = plan.best().time;
    const Simulation s = simulate_plan(plan, kQuick);
    EXPECT_NEAR(s.timeline.step_seconds / step.step_seconds, 1, 1e-9)
        << describe(plan.best().layout);
    EXPECT_NEAR(s.timeline.bubble_share, step.bubble_share, 1e-9);
    EXPECT_NEAR(step.parts.total(), step.step_seconds, 1e-9);
    EXPECT_NEAR(step.parts.bubble, s.timeline.bubble_seconds, 1e-9);
  }
}

TEST_F(SimulatePlan, V3ForWeeks) {
  const Simulation s = simulate_plan(v3_plan(PipelineSchedule::kDualPipe), kQuick);
  EXPECT_TRUE(s.outcome.finished);
  EXPECT_EQ(s.job.n_devices, 2048);
  EXPECT_GT(s.band.goodput.p50, 0.9);
  EXPECT_GT(s.days.output.p90, s.days.output.p10);
  EXPECT_EQ(s.days.tornado.front().name, "step");
  const std::string events = to_events(s.job, s.outcome, s.words);
  const RunHistory history = parse_history(events, "v3");
  EXPECT_EQ(history.last_step()->step, static_cast<std::int64_t>(s.job.n_steps));
  const Json json = to_json(s);
  EXPECT_EQ(json["run"]["failures"], s.outcome.n_failures);
  EXPECT_NE(to_text(s).find("unexpected interruptions"), std::string::npos);
}

// 54 days of Llama 3 405B: 419 unexpected interruptions, over 90 % of the time effective.
TEST_F(SimulatePlan, LlamaThreeAtItsOwnScale) {
  PlanRequest request;
  request.model = load_model_shape("llama3.1-405b");
  request.cluster = load_cluster("h100-16384");
  request.tokens = 1e12;
  request.batch = {8192, 2048};
  const Plan plan = make_plan(request);
  ASSERT_TRUE(plan.fits);
  SimulatedJob job = job_of(plan.request.cluster, plan.best().layout.n_devices(),
                            plan.checkpoint_bytes, plan.n_steps, plan.best().time.step_seconds);
  job.n_steps = 54 * 86400 * 0.92 / job.step_seconds;  // what 54 days hold at that goodput
  const RunBand band = simulate_runs(job, reliability_of(plan.request.cluster), 200, 5);
  EXPECT_LT(band.failures.low, 419);
  EXPECT_GT(band.failures.high, 419);
  EXPECT_GT(band.goodput.high, 0.90);
  EXPECT_GT(band.goodput.p50, 0.88);
}

// What plan prints for the usual run is what the simulated ones have at their median.
TEST_F(SimulatePlan, GoodputInClosedFormIsTheSimulatedMedian) {
  for (const std::string& name : list_shared("clusters", ".toml")) {
    if (name == "devices") continue;
    const Cluster cluster = load_cluster(name);
    const ReliabilityModel model = reliability_of(cluster);
    SimulatedJob job;
    static_cast<JobExposure&>(job) = exposure_of(cluster, cluster.n_devices(), 1e12);
    job.step_seconds = 10;
    job.n_steps = 60 * 8640;
    const double closed = expected_goodput(job, model).share;
    const double simulated = simulate_runs(job, model, 400, 3).goodput.p50;
    EXPECT_NEAR(closed, simulated, simulated > 0.9 ? 0.01 : 0.02) << name;
  }
}

// Who rents gives a broken node back: no repair is waited for with all the others held and paid.
TEST_F(SimulatePlan, ARentedNodeThatBreaksIsNotRepaired) {
  const Cluster cluster = load_cluster("h100-spot");
  const ReliabilityModel model = reliability_of(cluster);
  SimulatedJob job;
  static_cast<JobExposure&>(job) = exposure_of(cluster, cluster.n_devices(), 1e12);
  job.step_seconds = 10;
  job.n_steps = 60 * 8640;
  const RunBand band = simulate_runs(job, model, 400, 3);
  EXPECT_EQ(band.mean_seconds[static_cast<std::size_t>(RunSecond::kNoNode)], 0);
  const double waits = band.mean_seconds[static_cast<std::size_t>(RunSecond::kNoCapacity)];
  EXPECT_NEAR(1 - waits / band.wall_seconds.mean, model.availability, 0.01);
}

TEST_F(SimulatePlan, ReliabilityComesFromTheCluster) {
  Cluster cluster = load_cluster("h100-spot");
  const ReliabilityModel model = reliability_of(cluster);
  EXPECT_NEAR(model.failures_per_device_hour, cluster.reliability.device_failures.value * 3600,
              1e-12);
  EXPECT_GT(model.preemptions_per_node_hour, 0);
  EXPECT_EQ(model.notice_seconds, cluster.spot.notice.value);
}

}  // namespace
}  // namespace farthing
