// own_runs_test.cpp - run folders are found and read; what is no run says why.
#include "simulate/own_runs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

void write_run(const std::string& folder, double parameters, int steps, double loss_shift,
               const std::string& extra = "") {
  std::filesystem::create_directories(folder);
  std::string text =
      "{\"time_unix\":1,\"t_monotonic\":0,\"attempt\":1,\"rank\":0,\"kind\":"
      "\"run_start\",\"active_parameters\":" +
      std::to_string(parameters) + extra + "}\n";
  for (int step = 1; step <= steps; ++step) {
    const double tokens = step * 4096.0;
    const double loss = 2 + 50 / std::pow(parameters, 0.3) + 300 / std::pow(steps * 4096.0, 0.35);
    text += "{\"time_unix\":1,\"t_monotonic\":" + std::to_string(step) +
            ",\"attempt\":1,\"rank\":0,\"kind\":\"step\",\"step\":" + std::to_string(step) +
            ",\"tokens\":" + std::to_string(static_cast<long>(tokens)) +
            ",\"loss\":" + std::to_string(loss + loss_shift) + ",\"seconds\":{\"compute\":1}}\n";
  }
  write_file_atomically(folder + "/events.jsonl", text);
}

TEST(OwnRuns, FoldersBecomeAFittedLaw) {
  const TestFolder folder;
  int index = 0;
  for (const double parameters : {1e6, 4e6, 16e6}) {
    for (const int steps : {50, 200, 800}) {
      write_run(folder.file("sweep/run" + std::to_string(index++)), parameters, steps, 0);
    }
  }
  write_run(folder.file("simulated"), 1e6, 50, 5, ",\"simulated\":true");
  std::filesystem::create_directories(folder.file("empty"));
  write_file_atomically(folder.file("empty/events.jsonl"), "");
  const OwnRuns found = read_own_runs(folder.file(""));
  ASSERT_EQ(found.runs.size(), 9u);
  EXPECT_EQ(found.left_out.size(), 2u);
  const FittedLaw law = fit_law(found.runs);
  const double truth = 2 + 50 / std::pow(64e6, 0.3) + 300 / std::pow(3.2e7, 0.35);
  const ExpectedLoss expected = expected_loss(law, 64e6, 3.2e7);
  EXPECT_NEAR(expected.loss, truth, 0.02 * truth);
  EXPECT_LT(expected.low, expected.loss);
  EXPECT_GT(expected.high, expected.loss);
}

TEST(OwnRuns, AFolderWithoutRunsIsRefused) {
  const TestFolder folder;
  EXPECT_THROW(read_own_runs(folder.file("nowhere")), Error);
  EXPECT_THROW(read_own_runs(folder.file("")), Error);
}

TEST(OwnRunsText, SaysWhenTheQuestionLiesFarBeyond) {
  OwnRuns runs;
  runs.runs = {{"a", 1e6, 2e6, 5}, {"b", 4e6, 1e6, 5}};
  EXPECT_EQ(extrapolation_words(runs, 4e7, 2e7), "");
  EXPECT_NE(extrapolation_words(runs, 4e9, 2e7).find("1e+03 times the active"), std::string::npos);
  EXPECT_NE(extrapolation_words(runs, 1e6, 1e9).find("500 times the tokens"), std::string::npos);
}

}  // namespace
}  // namespace farthing
