// run_events_test.cpp - a simulated run read back by the ledger has the simulated seconds.
#include "simulate/run_events.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "ledger/events.h"
#include "ledger/ledger.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

SimulatedJob usual_job() {
  SimulatedJob job;
  job.n_devices = 2048;
  job.checkpoint_stall_seconds = 15;
  job.n_steps = 8000;
  job.step_seconds = 20;
  return job;
}

RunDescription usual_words() {
  RunDescription words;
  words.model = "a \"quoted\" name";
  words.cluster = "somewhere";
  words.device = "h800";
  words.tokens_per_step = 62914560;
  words.model_flops_per_token = 2.5e11;
  words.watts = 2e6;
  words.begun_unix = 1.7e9;
  words.expected_loss = [](double tokens) { return 1.8 + 400 / std::pow(tokens, 0.3); };
  return words;
}

TEST(RunEvents, TheLedgerFindsTheSimulatedSeconds) {
  ReliabilityModel model;
  model.spare_nodes = 2;
  model.preemptions_per_node_hour = 2e-5;
  model.availability = 0.9;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const SimulatedJob job = usual_job();
    const SimulatedOutcome outcome = simulate_run(job, model, seed, true);
    const std::string text = to_events(job, outcome, usual_words());
    const RunHistory history = parse_history(text, "simulated");
    const Ledger ledger = make_ledger(history);
    const double wall = outcome.wall_seconds;
    EXPECT_NEAR(ledger.wall_seconds / wall, 1, 1e-6) << seed;
    EXPECT_NEAR(ledger.seconds.total() / wall, 1, 1e-6);
    EXPECT_EQ(ledger.steps, 8000);
    EXPECT_NEAR(static_cast<double>(ledger.tokens), 8000 * 62914560.0, 1);
    EXPECT_EQ(ledger.n_attempts, static_cast<int>(outcome.attempts.size()));
    EXPECT_NEAR(ledger.model_flops / (8000 * 62914560.0 * 2.5e11), 1, 1e-6);
    EXPECT_NEAR(*ledger.joules / (wall * 2e6), 1, 1e-3);
    // A step that was under way when the job stopped is lost to the ledger, recomputed to the
    // simulation; a checkpoint cut short likewise.
    const double slack =
        static_cast<double>(outcome.attempts.size()) * (job.step_seconds * 1.2 + 15);
    EXPECT_NEAR(ledger.seconds[Category::kCompute],
                outcome[RunSecond::kUseful] + outcome[RunSecond::kSlow], slack);
    EXPECT_NEAR(ledger.seconds[Category::kCheckpoint], outcome[RunSecond::kCheckpoint], slack);
    EXPECT_NEAR(ledger.seconds[Category::kRecomputed], outcome[RunSecond::kRecomputed], 2 * slack);
    EXPECT_NEAR(ledger.seconds[Category::kLost] + ledger.seconds[Category::kStartUp],
                outcome[RunSecond::kDetect] + outcome[RunSecond::kRestart] +
                    outcome[RunSecond::kNoNode] + outcome[RunSecond::kNoCapacity],
                2 * slack);
    EXPECT_EQ(history.attempts.back().end_reason, "finished");
  }
}

// `cost project` and `compare` leave simulations out by this key alone.
TEST(RunEvents, EveryRunStartSaysSimulated) {
  ReliabilityModel model;
  model.spare_nodes = 2;
  const SimulatedJob job = usual_job();
  const std::string text = to_events(job, simulate_run(job, model, 1, true), usual_words());
  int starts = 0;
  read_events_text(text, "simulated", [&](const Json& event, const std::string&) {
    if (event.at("kind") != "run_start") return;
    ++starts;
    EXPECT_EQ(event.at("simulated"), true);
  });
  EXPECT_GT(starts, 1);
}

TEST(RunEvents, LongRunsAreThinned) {
  SimulatedJob job = usual_job();
  job.n_steps = 250'000;
  const SimulatedOutcome outcome = simulate_run(job, {}, 3, true);
  const std::string text = to_events(job, outcome, usual_words());
  const RunHistory history = parse_history(text, "simulated");
  EXPECT_LT(history.steps.size(), 2u * kMostStepEvents);
  EXPECT_EQ(make_ledger(history).steps, 250'000);
}

TEST(RunEvents, AFolderWithARunIsLeftAlone) {
  const TestFolder folder;
  const std::string run = folder.file("one");
  write_run_folder(run, "");
  EXPECT_THROW(write_run_folder(run, ""), Error);
}

}  // namespace
}  // namespace farthing
