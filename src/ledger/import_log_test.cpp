// import_log_test.cpp - logs made elsewhere become runs; what is missing is named; junk is skipped.
#include "ledger/import_log.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ledger/ledger.h"

namespace farthing {
namespace {

const char* const kMegatron =
    "using world size: 64\n"
    " [2024-01-15 10:30:00] iteration       10/     500 | consumed samples:         5120 | elapsed "
    "time per iteration (ms): 2000.0 | learning rate: 1.500000E-04 | global batch size:   512 | "
    "lm loss: 9.100000E+00 | loss scale: 1.0 | grad norm: 1.250 |\n"
    " iteration       20/     500 | consumed samples:        10240 | elapsed time per iteration "
    "(ms): "
    "1000.0 | learning rate: 3.0E-04 | global batch size:   512 | lm loss: nan | grad norm: 0.9 |\n"
    "saving checkpoint\n"
    " iteration       15/     500 | elapsed time per iteration (ms): 1100.0 | global batch size: "
    "512 | "
    "lm loss: 8.5E+00 |\n";

TEST(ImportLog, MegatronWithARestart) {
  const ImportedLog log = parse_log(kMegatron, "log", LogFormat::kMegatron);
  ASSERT_EQ(log.steps.size(), 3u);
  EXPECT_EQ(log.skipped_lines, 2);
  EXPECT_DOUBLE_EQ(log.steps[0].seconds, 2);
  EXPECT_DOUBLE_EQ(log.steps[0].loss, 9.1);
  EXPECT_TRUE(std::isnan(log.steps[1].loss));
  EXPECT_EQ(log.steps[0].sequences, 512);
  ImportContext context;
  context.n_devices = 64;
  context.sequence_length = 2048;
  context.device = "a \"quoted\" thing";
  const RunHistory history = parse_history(to_events(log, context), "events");
  const Ledger ledger = make_ledger(history);
  EXPECT_EQ(ledger.n_attempts, 2);
  EXPECT_EQ(ledger.steps, 15);
  // One step known of the first ten, ten more by their mean, then one step again.
  EXPECT_NEAR(ledger.wall_seconds, 2 + 10 + 1.1, 1e-6);
  EXPECT_NEAR(ledger.seconds[Category::kRecomputed], 10, 1e-6);
  EXPECT_EQ(history.steps.back().step_tokens, 512 * 2048);
  EXPECT_EQ(history.attempts.back().end_reason, "end of the log");
}

TEST(ImportLog, TorchtitanInColours) {
  const ImportedLog log = parse_log(
      "[titan] \x1b[31mstep: 10  \x1b[32mloss:  7.25  \x1b[33mmemory: 40.1GiB(50%)  "
      "\x1b[34mtps: 5,000  \x1b[36mtflops: 100.1  mfu: 30%\x1b[39m\n",
      "log", LogFormat::kTorchtitan);
  ASSERT_EQ(log.steps.size(), 1u);
  EXPECT_DOUBLE_EQ(log.steps[0].loss, 7.25);
  EXPECT_DOUBLE_EQ(log.steps[0].tokens_per_second_per_device, 5000);
  ImportContext context;
  context.n_devices = 8;
  context.tokens_per_step = 80'000;
  const std::string events = to_events(log, context);
  EXPECT_NE(events.find("\"estimated\":[\"tokens\"]"), std::string::npos);
  EXPECT_NEAR(make_ledger(parse_history(events, "e")).wall_seconds, 2, 1e-6);
}

TEST(ImportLog, CsvWithGaps) {
  const ImportedLog log = parse_log(
      "Step, loss ,step_time_ms,tokens\n1,5.0,1000,1000\n2,4.9,,1000\n"
      "x,,\n4,4.7,3000,1000\n",
      "runs.csv", LogFormat::kCsv);
  ASSERT_EQ(log.steps.size(), 3u);
  EXPECT_EQ(log.skipped_rows, std::vector<std::int64_t>{4});  // by its line
  const std::string events = to_events(log, {});
  EXPECT_EQ(parse_history(events, "e").run_start.device, kDeviceNotStated);
  const RunHistory history = parse_history(events, "e");
  EXPECT_NEAR(make_ledger(history).wall_seconds, 1 + 3 + 6, 1e-6);  // the median for step 2
  EXPECT_EQ(make_ledger(history).tokens, 4000);
}

TEST(ImportLog, WhatIsNoLogIsRefused) {
  EXPECT_THROW(parse_log("", "log", LogFormat::kMegatron), Error);
  EXPECT_THROW(parse_log("a,b\n1,2\n", "log", LogFormat::kCsv), Error);
  EXPECT_THROW(parse_log("step,seconds\n1e15,1\n", "log", LogFormat::kCsv), Error);
  EXPECT_THROW(parse_log("step,seconds\nnan,1\n-3,1\n", "log", LogFormat::kCsv), Error);
}

TEST(ImportLog, DamagedRowsOfACsvAreRefusedByLine) {
  const auto refusal = [](const std::string& rows) -> std::string {
    try {
      parse_log("step,seconds,loss,tokens\n1,2,5,100\n" + rows, "log", LogFormat::kCsv);
    } catch (const Error& error) {
      return error.message;
    }
    return "";
  };
  for (const char* bad : {"nan", "-2", "inf", "1e300", "0", "2 s", "two"}) {
    EXPECT_NE(refusal("2," + std::string(bad) + ",5,100\n").find("log:3: seconds"),
              std::string::npos)
        << bad;
    EXPECT_NE(refusal("2,2,5," + std::string(bad) + "\n").find("log:3: tokens"), std::string::npos)
        << bad;
  }
  EXPECT_NE(refusal("2,2\n").find("log:3: cells of a row"), std::string::npos);
  EXPECT_NE(refusal("2,2,5,100,7\n").find("found 5, wanted 4"), std::string::npos);
  EXPECT_NE(refusal("1.5,2,5,100\n").find("step number"), std::string::npos);
  EXPECT_EQ(refusal("2,2,nan,\n3,,,100\n"), "");  // a loss that diverged; what is not known
  EXPECT_THROW(parse_log("step,loss\n1,5\n", "log", LogFormat::kCsv), Error);
}

TEST(ImportLog, NotesSayWhatWasEstimatedLeftOutAndDoneTwice) {
  const ImportedLog log = parse_log(
      "step,seconds,loss,tokens\n1,2,5,100\n2,,5,100\n3,2,nan,100\n4,2,5,\n9,2,5,100\n7,2,5,100\n",
      "log", LogFormat::kCsv);
  const ImportNotes notes = notes_of(log, {});
  EXPECT_EQ(notes.without_seconds, 1);
  EXPECT_EQ(notes.without_loss, 1);
  EXPECT_EQ(notes.without_tokens, 1);
  EXPECT_EQ(notes.steps_in_gaps, 4);
  EXPECT_EQ(notes.goes_back, 1);
  const ImportedLog tens =
      parse_log("step,seconds\n10,2\n20,2\n30,2\n50,2\n", "log", LogFormat::kCsv);
  EXPECT_EQ(notes_of(tens, {}).steps_in_gaps, 10);  // every tenth step is its way
}

}  // namespace
}  // namespace farthing
