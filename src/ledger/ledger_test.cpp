// ledger_test.cpp - every second in one category, whatever the run was doing when it was killed.
#include "ledger/ledger.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/rng.h"

namespace farthing {
namespace {

// Writes events as a trainer would, on a clock of its own.
class Script {
 public:
  explicit Script(int attempt = 1) : attempt_(attempt) {}
  Script& attempt(int number) {
    attempt_ = number;
    t_ = 0;
    return *this;
  }
  Script& at(double t, const std::string& kind, const Json& fields = Json::object()) {
    t_ = t;
    Json event = {{"time_unix", 1e9 + 1000 * attempt_ + t},
                  {"t_monotonic", t},
                  {"attempt", attempt_},
                  {"rank", 0},
                  {"kind", kind}};
    event.update(fields);
    text += event.dump() + "\n";
    return *this;
  }
  Script& step(double t, int number, double compute, double data_wait = 0) {
    return at(t, "step",
              {{"step", number},
               {"tokens", 100 * number},
               {"step_tokens", 100},
               {"loss", 5.0 / number},
               {"model_flops", 1e6},
               {"joules", 3},
               {"seconds", {{"compute", compute}, {"data_wait", data_wait}, {"optimizer", 0.5}}}});
  }
  std::string text;

 private:
  int attempt_;
  double t_ = 0;
};

Ledger ledger_of(const std::string& text) { return make_ledger(parse_history(text, "e.jsonl")); }

// Two attempts: the first killed after step 3, the second resumed from step 2.
Script killed_and_resumed() {
  Script script;
  script.at(1, "run_start", {{"n_threads", 2}}).at(1.5, "decision", {{"name", "isa"}});
  script.step(4, 1, 1.0, 0.25).at(4.5, "heartbeat").step(6, 2, 1.2, 0.1);
  script.at(7, "checkpoint", {{"step", 2}, {"seconds", 0.8}, {"bytes", 10}});
  script.step(9, 3, 1.5).at(10, "eval",
                            {{"step", 3},
                             {"seconds", 0.9},
                             {"bits_per_byte", 2},
                             {"sources", {{{"name", "prose"}, {"bits_per_byte", 2.5}}}}});
  script.at(11, "heartbeat").at(11.75, "heartbeat");
  script.attempt(2).at(0.5, "run_start", {{"n_threads", 2}, {"resumed_step", 2}});
  script.at(0.6, "restart", {{"resumed_step", 2}, {"lost_seconds", 1.75}});
  script.step(3, 3, 1.25).step(5, 4, 1.25).at(6, "run_end", {{"reason", "limit"}});
  return script;
}

TEST(Ledger, EachSecondByHand) {
  const Ledger ledger = ledger_of(killed_and_resumed().text);
  const auto& seconds = ledger.seconds;
  EXPECT_DOUBLE_EQ(seconds[Category::kStartUp], (1 + 3 - 1.75) + (0.5 + 2.5 - 1.75));
  EXPECT_DOUBLE_EQ(seconds[Category::kDataWait], 0.25 + 0.1);
  EXPECT_DOUBLE_EQ(seconds[Category::kCompute], 1.5 + 1.9 + 1.75 + 2);
  EXPECT_DOUBLE_EQ(seconds[Category::kCheckpoint], 1 + 1);
  EXPECT_DOUBLE_EQ(seconds[Category::kEval], 0);
  EXPECT_DOUBLE_EQ(seconds[Category::kRecomputed], 2 + 1);  // step 3 and its evaluation
  EXPECT_DOUBLE_EQ(seconds[Category::kLost], 1.75);
  EXPECT_DOUBLE_EQ(ledger.wall_seconds, 17.75);
  EXPECT_DOUBLE_EQ(seconds.total(), ledger.wall_seconds);
  EXPECT_DOUBLE_EQ(ledger.core_seconds.total(), 2 * 17.75);
}

TEST(Ledger, WhatWasDoneTwiceCountsOnce) {
  const Ledger ledger = ledger_of(killed_and_resumed().text);
  EXPECT_EQ(ledger.steps, 4);
  EXPECT_EQ(ledger.tokens, 400);
  EXPECT_EQ(ledger.model_flops, 4e6);
  EXPECT_EQ(ledger.joules, 15);  // energy was spent five times
  EXPECT_EQ(ledger.n_attempts, 2);
  const RunHistory history = parse_history(killed_and_resumed().text, "e");
  EXPECT_TRUE(history.steps[2].recomputed);
  EXPECT_FALSE(history.steps[3].recomputed);
  EXPECT_TRUE(history.evals[0].recomputed);
  EXPECT_EQ(history.evals[0].per_source, (std::map<std::string, double>{{"prose", 2.5}}));
  EXPECT_EQ(history.attempts[0].end_reason, "");
  EXPECT_DOUBLE_EQ(history.attempts[0].open_seconds, 1.75);
  EXPECT_EQ(history.attempts[1].end_reason, "limit");
  EXPECT_DOUBLE_EQ(history.steps[3].run_seconds, 11.75 + 3);
}

// The file cut anywhere: after any event, or inside one.
TEST(Ledger, ConservedWhereverTheFileEnds) {
  const std::string whole = killed_and_resumed().text;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::string text = whole.substr(0, size);
    const RunHistory history = parse_history(text, "e.jsonl");
    const Ledger ledger = make_ledger(history);
    double wall = 0;
    for (const auto& attempt : history.attempts) wall += attempt.wall_seconds;
    ASSERT_NEAR(ledger.seconds.total(), wall, 1e-9) << size;
    for (const double value : ledger.seconds.values) ASSERT_GE(value, 0) << size;
  }
}

// Random runs of many attempts, each killed at a random event.
TEST(Ledger, ConservedOverRandomRuns) {
  for (std::uint64_t run = 0; run < 200; ++run) {
    const Rng rng(run, RngStream::kTest);
    std::uint64_t draw = 0;
    Script script;
    double wall = 0;
    int resumed = 0;
    for (int attempt = 1; attempt <= 4; ++attempt) {
      script.attempt(attempt);
      double t = rng.uniform(draw++);
      script.at(t, "run_start", {{"resumed_step", attempt == 1 ? Json() : Json(resumed)}});
      int step = resumed;
      const int n_events = static_cast<int>(rng.below(draw++, 20));
      for (int i = 0; i < n_events; ++i) {
        const double before = t;
        t += 3 * rng.uniform(draw++);
        const double said = (t - before) * 1.5 * rng.uniform(draw++);  // at times too much
        switch (rng.below(draw++, 5)) {
          case 0:
            script.at(t, "heartbeat");
            break;
          case 1:
            script.at(t, "eval", {{"step", step}, {"seconds", said}});
            break;
          case 2:
            script.at(t, "checkpoint", {{"step", step}, {"seconds", said}});
            break;
          default:
            script.step(t, ++step, said, said / 2);
            break;
        }
      }
      wall += t;
      resumed = step == 0 ? 0 : static_cast<int>(rng.below(draw++, static_cast<unsigned>(step)));
    }
    const Ledger ledger = ledger_of(script.text);
    ASSERT_NEAR(ledger.seconds.total(), wall, 1e-9 * wall) << run;
    ASSERT_NEAR(ledger.wall_seconds, wall, 1e-9 * wall) << run;
    for (const double value : ledger.seconds.values) ASSERT_GE(value, 0) << run;
  }
}

TEST(Ledger, KillWithinStartUpIsLostAndUndoesNothing) {
  Script script;
  script.at(1, "run_start").step(3, 1, 1).step(5, 2, 1).at(6, "run_end", {{"reason", "preempted"}});
  script.attempt(2).at(0.25, "heartbeat").at(1.25, "heartbeat");
  script.attempt(3).at(1, "run_start", {{"resumed_step", 2}}).step(3, 3, 1);
  const Ledger ledger = ledger_of(script.text);
  EXPECT_DOUBLE_EQ(ledger.seconds[Category::kLost], 1.25);
  EXPECT_DOUBLE_EQ(ledger.seconds[Category::kRecomputed], 0);
  EXPECT_EQ(ledger.steps, 3);
}

TEST(Ledger, FreshStartInTheSameFolderRecomputesAll) {
  Script script;
  script.at(1, "run_start").step(3, 1, 1).step(5, 2, 1);
  script.attempt(2).at(1, "run_start", {{"resumed_step", nullptr}}).step(3, 1, 1);
  const Ledger ledger = ledger_of(script.text);
  EXPECT_EQ(ledger.steps, 1);
  EXPECT_DOUBLE_EQ(ledger.seconds[Category::kRecomputed], 4);
}

TEST(Ledger, ResumeFromAnOlderCheckpointUndoesTwoAttempts) {
  Script script;
  script.at(0, "run_start").step(1, 1, 0.5).step(2, 2, 0.5).step(3, 3, 0.5);
  script.attempt(2).at(0, "run_start", {{"resumed_step", 3}}).step(1, 4, 0.5);
  script.attempt(3).at(0, "run_start", {{"resumed_step", 1}}).step(1, 2, 0.5);
  const RunHistory history = parse_history(script.text, "e");
  std::vector<bool> recomputed;
  for (const auto& step : history.steps) recomputed.push_back(step.recomputed);
  EXPECT_EQ(recomputed, (std::vector<bool>{false, true, true, true, false}));
}

TEST(Ledger, OtherRanksAddNoSeconds) {
  Script script = killed_and_resumed();
  const double wall = ledger_of(script.text).wall_seconds;
  script.at(99, "heartbeat", {{"rank", 1}});
  EXPECT_EQ(ledger_of(script.text).wall_seconds, wall);
}

TEST(Ledger, StepKeysAreRead) {
  Script script;
  script.at(1, "step",
            {{"step", 1},
             {"loss", nullptr},
             {"mtp_loss", {4.5, 4.6}},
             {"max_vio_by_layer", {0.5, nullptr}},
             {"expert_load", {{3, 5}, {4, 4}}},
             {"learning_rate", 0.001},
             {"joules", 2},
             {"joules_estimated", true}});
  const RunHistory history = parse_history(script.text, "e");
  const StepRecord& step = history.steps[0];
  EXPECT_TRUE(std::isnan(step.loss));
  EXPECT_EQ(step.mtp_loss[1], 4.6);
  EXPECT_TRUE(std::isnan(step.max_vio_by_layer[1]));
  EXPECT_EQ(step.expert_load[0][1], 5);
  EXPECT_EQ(step.learning_rate, 0.001);
  EXPECT_TRUE(history.joules_estimated);
}

TEST(Ledger, KeyOfTheWrongTypeIsNamedWithItsLine) {
  const auto refusal = [](const Json& fields) {
    try {
      parse_history(Script().at(1, "run_start").at(2, "step", fields).text, "e.jsonl");
    } catch (const Error& error) {
      return error.message;
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal({{"loss", "low"}}),
            "e.jsonl:2: event's \"loss\": found \"low\", wanted a number");
  EXPECT_NE(refusal({{"step", -1}}), "accepted");
  EXPECT_NE(refusal({{"step", 1e300}}), "accepted");
  EXPECT_NE(refusal({{"max_vio_by_layer", 3}}), "accepted");
  EXPECT_NE(refusal({{"seconds", 3}}), "accepted");
}

TEST(Ledger, NotesKeepTheirWords) {
  Script script;
  script.at(0.5, "run_start", {{"n_threads", 3}, {"isa", "avx512"}, {"parameters", 12}});
  script.at(1, "decision", {{"name", "decay_step"}, {"value", 400}, {"why", "2h"}});
  script.at(2, "alert", {{"what", "loss spike"}, {"text", "7 deviations"}});
  const RunHistory history = parse_history(script.text, "e");
  EXPECT_EQ(history.run_start.isa, "avx512");
  EXPECT_EQ(history.run_start.parameters, 12);
  EXPECT_EQ(history.decisions[0].value, "400");
  EXPECT_EQ(history.decisions[0].why, "2h");
  EXPECT_EQ(history.alerts[0].name, "loss spike");
  EXPECT_EQ(history.alerts[0].run_seconds, 2);
}

TEST(Ledger, WeightsHashIsThatOfTheLastStep) {
  Script script;
  script.step(1, 1, 1).at(2, "run_end", {{"reason", "preempted"}, {"weights_hash", "ab"}});
  EXPECT_EQ(parse_history(script.text, "e").weights_hash, "ab");
  script.attempt(2).at(1, "run_start", {{"resumed_step", 1}}).step(2, 2, 1);
  EXPECT_EQ(parse_history(script.text, "e").weights_hash, "");
}

TEST(Ledger, EmptyFileHasNothing) {
  const Ledger ledger = ledger_of("");
  EXPECT_EQ(ledger.n_attempts, 0);
  EXPECT_EQ(ledger.seconds.total(), 0);
  EXPECT_FALSE(ledger.joules);
}

TEST(Ledger, CostUsesEachAttemptsCores) {
  Script script;
  script.at(1, "run_start", {{"n_threads", 4}}).step(1800, 1, 1799);
  script.attempt(2).at(0, "run_start", {{"n_threads", 1}, {"resumed_step", 1}}).step(3600, 2, 3600);
  PriceBook book;
  book.rent.value = 0.1;
  book.machine_cores = 1;
  book.machine_years = book.machine_busy_share = book.sterling.value = 1;
  EXPECT_DOUBLE_EQ(cost_of(ledger_of(script.text), book).usd, 0.1 * (4 * 0.5 + 1));
}

}  // namespace
}  // namespace farthing
