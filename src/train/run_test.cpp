// run_test.cpp - resume to the bit, refusals, limits, damage, guard and ledger of whole runs.
#include "train/run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "data/shards.h"
#include "eval/evaluate.h"
#include "ledger/events.h"
#include "ledger/history.h"
#include "ledger/ledger.h"
#include "train/checkpoint.h"
#include "train/past_run.h"
#include "train/testing.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

// Data and runs in a folder of the test's own.
class RunTest : public ::testing::Test {
 protected:
  RunTest()
      : root_(fs::temp_directory_path() /
              ("farthing-run-" + std::to_string(getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(root_);
    fs::create_directories(root_ + "/data");
    set_num_threads(1);  // steps too small to share
    write_split("train", 400);
    write_split("val", 30);
    write_file_atomically(root_ + "/data/card.json",
                          R"({"splits": {"train": {"bytes": 20000}, "val": {"bytes": 1500}}})");
    recipe_ = tiny_recipe();
    recipe_.data.train = root_ + "/data";
    recipe_.checkpoint.every = 5;
    recipe_.train.lr_shape = LrShape::kWsd;
  }
  ~RunTest() override {
    fs::remove_all(root_);
    set_num_threads(usual_threads_);
  }

  // Documents that count upwards, each from another place.
  void write_split(const std::string& name, int n_documents, const std::string& folder = "data") {
    fs::create_directories(root_ + "/" + folder);
    ShardWriter writer(root_ + "/" + folder + "/" + name, 48);
    for (int document = 0; document < n_documents; ++document) {
      std::vector<std::int32_t> ids;
      for (int i = 0; i < 10 + document % 7; ++i) ids.push_back(2 + (document * 5 + i) % 46);
      ids.push_back(1);
      writer.add_document(ids);
    }
    writer.finish();
  }

  RunRequest request(const std::string& name, const std::string& until) {
    RunRequest request;
    request.recipe = recipe_;
    request.folder = root_ + "/" + name;
    request.isa = "test";
    request.recipe.train.until = until;
    request.usd_per_second = 1e-5;
    return request;
  }

  // Stops as SIGTERM would once `step` is done.
  RunOutcome run_until_stopped(RunRequest request, std::int64_t step, int how = kStopPreempted) {
    std::atomic<int> stop{kGoOn};
    request.stop = &stop;
    return train_run(request, {.on_step = [&](const StepReport& report) {
                       if (report.step == step) stop = how;
                     }});
  }

  // The loss of each step as it last was, exactly as written.
  std::map<std::int64_t, std::string> losses(const std::string& name) {
    std::map<std::int64_t, std::string> series;
    read_events(root_ + "/" + name + "/events.jsonl", [&](const Json& event) {
      if (event.at("kind") == "step") series[event.at("step")] = event.at("loss").dump();
    });
    return series;
  }

  int count_events(const std::string& name, const std::string& kind) {
    int count = 0;
    read_events(root_ + "/" + name + "/events.jsonl",
                [&](const Json& event) { count += event.at("kind") == kind ? 1 : 0; });
    return count;
  }

  void expect_error(const RunRequest& request, ErrorCode code, const std::string& words) {
    try {
      train_run(request, {});
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, code) << error.message;
      EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
    }
  }

  int usual_threads_ = num_threads();
  std::string root_;
  Recipe recipe_;
};

TEST_F(RunTest, WritesItsFolder) {
  int n_exports = 0;
  RunRequest whole = request("a", "12steps");
  whole.finish = [&](const auto&, const auto&, const RunOutcome& end) {
    ++n_exports;
    EXPECT_EQ(end.step, 12);
  };
  const RunOutcome outcome = train_run(whole, {});
  EXPECT_EQ(outcome.end, RunEnd::kFinished);
  EXPECT_EQ(outcome.step, 12);
  EXPECT_EQ(outcome.tokens, 12 * 64);
  EXPECT_GT(outcome.bits_per_byte, 1);
  EXPECT_EQ(n_exports, 1);
  EXPECT_EQ(count_events("a", "step"), 12);
  EXPECT_EQ(count_events("a", "eval"), 1);
  EXPECT_EQ(count_events("a", "run_end"), 1);
  const auto checkpoints = list_checkpoints(root_ + "/a/checkpoints");
  ASSERT_EQ(checkpoints.size(), 2u);
  EXPECT_EQ(checkpoints.back().step, 12);
  EXPECT_EQ(read_checkpoint_manifest(checkpoints.back().path).weights_hash, outcome.weights_hash);
  EXPECT_EQ(parse_recipe(read_file(root_ + "/a/recipe.toml"), "stored"), whole.recipe);
}

TEST_F(RunTest, ResumesToTheBitAfterAnyStop) {
  const RunOutcome whole = train_run(request("whole", "30steps"), {});
  for (const std::int64_t step : {1, 7, 13, 29}) {
    const RunOutcome stopped = run_until_stopped(request("parts", "30steps"), step);
    EXPECT_EQ(stopped.end, RunEnd::kPreempted);
    EXPECT_EQ(stopped.step, step);
  }
  const RunOutcome resumed = train_run(request("parts", "30steps"), {});
  EXPECT_EQ(resumed.weights_hash, whole.weights_hash);
  EXPECT_EQ(resumed.bits_per_byte, whole.bits_per_byte);
  EXPECT_EQ(losses("parts"), losses("whole"));
  for (const char* file : {"moment1.safetensors", "moment2.safetensors"}) {
    EXPECT_EQ(read_file(root_ + "/parts/checkpoints/step-000000030/" + file),
              read_file(root_ + "/whole/checkpoints/step-000000030/" + file));
  }
}

TEST_F(RunTest, AnInterruptSavesToo) {
  EXPECT_EQ(run_until_stopped(request("a", "30steps"), 3, kStopInterrupted).end,
            RunEnd::kInterrupted);
  EXPECT_EQ(list_checkpoints(root_ + "/a/checkpoints").back().step, 3);
}

TEST_F(RunTest, AFinishedRunIsLeftAloneAndALongerLimitGoesOn) {
  const RunOutcome first = train_run(request("a", "10steps"), {});
  const std::string events = read_file(root_ + "/a/events.jsonl");
  const RunOutcome again = train_run(request("a", "10steps"), {});
  EXPECT_EQ(again.end, RunEnd::kFinishedBefore);
  EXPECT_EQ(again.weights_hash, first.weights_hash);
  EXPECT_EQ(again.bits_per_byte, first.bits_per_byte);
  EXPECT_EQ(read_file(root_ + "/a/events.jsonl"), events);
  const RunOutcome longer = train_run(request("a", "15steps"), {});
  EXPECT_EQ(longer.end, RunEnd::kFinished);
  EXPECT_EQ(longer.step, 15);
}

TEST_F(RunTest, RefusesAChangedRecipeByItsKeys) {
  run_until_stopped(request("a", "10steps"), 3);
  recipe_.train.learning_rate = 1e-3;
  recipe_.model.rope_theta = 5000;
  expect_error(request("a", "10steps"), ErrorCode::kBadInput, "train.learning_rate (0.001, was");
  expect_error(request("a", "10steps"), ErrorCode::kBadInput, "model.rope_theta");
}

TEST_F(RunTest, RefusesAnotherInstructionSetUnlessTold) {
  run_until_stopped(request("a", "10steps"), 3);
  RunRequest other = request("a", "10steps");
  other.isa = "other";
  expect_error(other, ErrorCode::kBadInput, "--any-isa");
  other.any_isa = true;
  EXPECT_EQ(train_run(other, {}).end, RunEnd::kFinished);
}

TEST_F(RunTest, RefusesASecondOwner) {
  const RunFolder owner = RunFolder::open(root_ + "/a");
  expect_error(request("a", "10steps"), ErrorCode::kFailed, "training this run");
}

TEST_F(RunTest, GoesBackToTheCheckpointBeforeADamagedOne) {
  const RunOutcome whole = train_run(request("whole", "20steps"), {});
  run_until_stopped(request("a", "20steps"), 12);
  const std::string file = root_ + "/a/checkpoints/step-000000012/master.safetensors";
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(5000);
  stream.put('\x5a');
  stream.close();
  std::string said;
  const RunOutcome resumed =
      train_run(request("a", "20steps"), {.say = [&](const std::string& words) { said += words; }});
  EXPECT_NE(said.find("step 12 is damaged"), std::string::npos);
  EXPECT_NE(said.find("resumes at step 10"), std::string::npos);
  EXPECT_EQ(count_events("a", "alert"), 1);
  EXPECT_EQ(resumed.weights_hash, whole.weights_hash);
  EXPECT_EQ(losses("a"), losses("whole"));
}

TEST_F(RunTest, TheGuardSavesAndStops) {
  recipe_.guard.max_loss_spike = 1e-9;  // any loss above the mean, once it judges
  recipe_.train.learning_rate = 0;      // so that some are
  recipe_.checkpoint.every = 0;
  expect_error(request("a", "200steps"), ErrorCode::kGuardStopped, "stopped by the guard");
  const auto checkpoints = list_checkpoints(root_ + "/a/checkpoints");
  ASSERT_FALSE(checkpoints.empty());
  EXPECT_GE(checkpoints.back().step, 50);
  EXPECT_EQ(checkpoints.back().step, static_cast<std::int64_t>(losses("a").size()));
  const std::string before = read_checkpoint_manifest(checkpoints.back().path).weights_hash;
  expect_error(request("a", "200steps"), ErrorCode::kGuardStopped, "stopped by the guard");
  const std::string last = list_checkpoints(root_ + "/a/checkpoints").back().path;
  EXPECT_EQ(read_checkpoint_manifest(last).weights_hash, before);
}

TEST_F(RunTest, ALimitShorterThanTheStartUpTrainsOneStepAndSaysSo) {
  std::string said;
  const RunOutcome outcome = train_run(request("a", "0.000001s"),
                                       {.say = [&](const std::string& words) { said += words; }});
  EXPECT_EQ(outcome.end, RunEnd::kFinished);
  EXPECT_EQ(outcome.step, 1);
  EXPECT_NE(said.find("one step, then the end"), std::string::npos) << said;
  said.clear();
  train_run(request("b", "2steps,1h"), {.say = [&](const std::string& words) { said += words; }});
  EXPECT_EQ(said.find("one step"), std::string::npos) << said;
}

TEST_F(RunTest, ATimeLimitEndsInTimeByItsRecordedDecisions) {
  recipe_.checkpoint.every = 0;
  const RunOutcome outcome = train_run(request("a", "3s"), {});
  EXPECT_LT(outcome.attempt_seconds, 4.5);  // a busy machine takes half a second to save
  EXPECT_GT(outcome.attempt_seconds, 1.5);
  RunLength length;
  std::int64_t tokens = 0;
  int n_decisions = 0;
  read_events(root_ + "/a/events.jsonl", [&](const Json& event) {
    if (event.at("kind") == "decision") {
      length = run_length_from_json(event.at("value"));
      EXPECT_EQ(length.at_tokens, tokens);  // written before it is used
      ++n_decisions;
    }
    if (event.at("kind") != "step") return;
    EXPECT_EQ(event.at("learning_rate").get<double>(),
              learning_rate(recipe_.train, length, event.at("step").get<int>() - 1, tokens));
    tokens = event.at("tokens");
  });
  EXPECT_GE(n_decisions, 2);
  EXPECT_GE(tokens, length.end_tokens);
}

TEST_F(RunTest, DecisionsOfAKilledAttemptAreReplayed) {
  const RunOutcome whole = train_run(request("a", "1s"), {});
  const auto series = losses("a");
  // What a kill would leave: the first checkpoints and every event, but no end.
  for (const auto& entry : list_checkpoints(root_ + "/a/checkpoints")) {
    if (entry.step == whole.step) fs::remove_all(entry.path);
  }
  std::string events = read_file(root_ + "/a/events.jsonl");
  events.resize(events.rfind("\n", events.size() - 2) + 1);  // run_end
  write_file_atomically(root_ + "/a/events.jsonl", events);
  const RunOutcome resumed = train_run(request("a", "1s"), {});
  EXPECT_EQ(resumed.step, whole.step);
  EXPECT_EQ(resumed.weights_hash, whole.weights_hash);
  EXPECT_EQ(losses("a"), series);
}

// Regression: an evaluation without a data card left an event that no later attempt could read.
TEST_F(RunTest, ResumesAfterAnEvaluationWithoutACard) {
  fs::remove(root_ + "/data/card.json");
  recipe_.train.eval_every = 2;
  run_until_stopped(request("a", "6steps"), 3);
  EXPECT_EQ(train_run(request("a", "6steps"), {}).end, RunEnd::kFinished);
  EXPECT_EQ(train_run(request("a", "6steps"), {}).end, RunEnd::kFinishedBefore);
}

TEST_F(RunTest, AStopIsHeardBeforeTheLastEvaluationWhichTheNextAttemptMakesUp) {
  EXPECT_EQ(run_until_stopped(request("a", "5steps"), 5).end, RunEnd::kPreempted);
  EXPECT_EQ(count_events("a", "eval"), 0);
  EXPECT_EQ(train_run(request("a", "5steps"), {}).end, RunEnd::kFinished);
  EXPECT_EQ(count_events("a", "eval"), 1);
  EXPECT_EQ(count_events("a", "step"), 5);
}

TEST_F(RunTest, AShortLimitScoresASampleOfALargeHeldOutSplit) {
  write_split("val", 400000);
  const auto finished = train_run(request("a", "1s"), {});
  EXPECT_EQ(finished.end, RunEnd::kFinished);
  Json last;
  read_events(root_ + "/a/events.jsonl", [&](const Json& event) {
    if (event.at("kind") == "eval") last = event;
  });
  ASSERT_TRUE(last.is_object());
  EXPECT_FALSE(last.at("complete").get<bool>());
  EXPECT_LT(last.at("tokens").get<std::int64_t>(), 3000000);
}

// One definition: a run's last evaluation is what `farthing eval` says of it, to the last bit.
TEST_F(RunTest, ItsLastEvaluationIsTheCompleteOne) {
  for (const char* source : {"val-one", "val-two"}) write_split(source, 17);
  write_file_atomically(root_ + "/data/card.json",
                        R"({"splits": {"train": {"bytes": 20000}, "val": {"bytes": 1500},
                            "val-one": {"bytes": 750}, "val-two": {"bytes": 800}}})");
  recipe_.train.eval_every = 3;
  recipe_.train.eval_tokens = 3 * recipe_.data.sequence_length;
  for (const bool masks : {false, true}) {
    recipe_.data.document_mask = masks;
    const std::string name = masks ? "masked" : "plain";
    RunRequest request = this->request(name, "6steps");
    SourceScore wanted;
    request.finish = [&](const ModelConfig& config, const auto& weights, const RunOutcome&) {
      const ParameterTable table(config);
      const Model<float> model(config, table, weights);
      const EvaluateSettings settings = {.window = recipe_.data.sequence_length,
                                         .document_mask = masks};
      wanted = total_score(
          ValidationSplit(root_ + "/data", config, settings, nullptr).score(model, settings));
    };
    const RunOutcome outcome = train_run(request, {});
    EXPECT_EQ(outcome.bits_per_byte, wanted.bits_per_byte()) << name;
    EXPECT_EQ(wanted.n_bytes, 1550);
    std::vector<Json> evals;
    read_events(root_ + "/" + name + "/events.jsonl", [&](const Json& event) {
      if (event.at("kind") == "eval") evals.push_back(event);
    });
    ASSERT_EQ(evals.size(), 3u);  // steps 3 and 6 in passing, 6 completely
    EXPECT_FALSE(evals[0].at("complete") || evals[1].at("complete"));
    EXPECT_LE(evals[1].at("tokens"), recipe_.train.eval_tokens);
    EXPECT_LT(evals[1].at("bytes"), 1550);
    EXPECT_TRUE(evals[2].at("complete"));
    EXPECT_EQ(evals[2].at("bits_per_byte"), wanted.bits_per_byte());
    EXPECT_EQ(evals[2].at("tokens"), wanted.n_tokens);
  }
}

// Pitfall 19: an evaluation moves no bias and no weight.
TEST_F(RunTest, EvaluationsChangeNoBit) {
  const RunOutcome quiet = train_run(request("quiet", "8steps"), {});
  recipe_.train.eval_every = 1;
  const RunOutcome watched = train_run(request("watched", "8steps"), {});
  EXPECT_EQ(count_events("watched", "eval"), 8);
  EXPECT_EQ(watched.weights_hash, quiet.weights_hash);
}

TEST_F(RunTest, BeginsFromAnotherRunsCheckpoint) {
  recipe_.train.lr_shape = LrShape::kConstant;
  recipe_.checkpoint.keep_every = 10;
  const RunOutcome constant = train_run(request("base", "30steps"), {});
  recipe_.train.init_from = root_ + "/base@10";
  const RunOutcome branch = train_run(request("branch", "30steps"), {});
  EXPECT_EQ(branch.weights_hash, constant.weights_hash);  // the same constant rate
  EXPECT_EQ(losses("branch").begin()->first, 11);
  recipe_.train.init_from = root_ + "/base@11";
  expect_error(request("nothing", "30steps"), ErrorCode::kBadInput, "train.init_from");
}

// Three sources: a folder, another one, and a shard by its prefix, without a validation split.
TEST_F(RunTest, AMixtureResumesToTheBitAndSaysWhatItWas) {
  for (const char* folder : {"one", "two"}) {
    write_split("train", 100, folder);
    write_split("val", 10, folder);
    write_file_atomically(root_ + "/" + folder + "/card.json",
                          R"({"splits": {"val": {"bytes": 500}}})");
  }
  write_split("train-b", 50, "three");
  recipe_.data.train.clear();
  recipe_.data.sources = {
      {"a", root_ + "/one", 2}, {"b", root_ + "/three/train-b", 1}, {"c", root_ + "/two", 0}};
  recipe_.data.stages = {{640, {0, 1, 3}}};
  recipe_.data.packing = "best_fit";
  recipe_.train.eval_every = 8;
  const RunOutcome whole = train_run(request("whole", "30steps"), {});
  run_until_stopped(request("parts", "30steps"), 7);
  run_until_stopped(request("parts", "30steps"), 19);
  const RunOutcome parts = train_run(request("parts", "30steps"), {});
  EXPECT_EQ(parts.weights_hash, whole.weights_hash);
  EXPECT_EQ(losses("parts"), losses("whole"));
  Json last;
  read_events(root_ + "/whole/events.jsonl", [&](const Json& event) {
    if (event.at("kind") == "eval") last = event;
  });
  ASSERT_EQ(last.at("sources").size(), 2u);
  EXPECT_EQ(last["sources"][0]["name"], "a");
  EXPECT_EQ(last["sources"][1]["name"], "c");
  EXPECT_GT(last["sources"][1]["bits_per_byte"], 0.1);
  EXPECT_EQ(last["sources"][0]["bytes"], 500);
  const Json& tokens = last.at("source_tokens");
  EXPECT_EQ(tokens["a"].get<int>() + tokens["b"].get<int>() + tokens["c"].get<int>(), 30 * 64);
  // 640 tokens at 2:1:0, then 1280 at 0:1:3, to within a sample and a source.
  EXPECT_NEAR(tokens["a"].get<double>(), 640.0 * 2 / 3, 2 * recipe_.data.sequence_length);
  EXPECT_NEAR(tokens["c"].get<double>(), 1280.0 * 3 / 4, 5 * recipe_.data.sequence_length);
}

TEST_F(RunTest, SourcesOfDifferentTokenizersAreRefused) {
  write_split("train", 50, "one");
  write_split("train", 50, "two");
  for (const char* style : {"gpt2", "deepseek"}) {
    const std::string folder = style == std::string("gpt2") ? "one" : "two";
    write_file_atomically(root_ + "/" + folder + "/tokenizer.json",
                          read_file(std::string(FARTHING_SOURCE_DIR "/tests/golden/tokenizer_") +
                                    style + "_style.json"));
  }
  recipe_.data.train.clear();
  recipe_.data.sources = {{"a", root_ + "/one", 1}, {"b", root_ + "/two", 1}};
  expect_error(request("a", "5steps"), ErrorCode::kBadInput, "another tokenizer");
}

TEST_F(RunTest, KeepsTracesOfTheRouter) {
  recipe_.balance.trace_every = 4;
  train_run(request("a", "8steps"), {});
  EXPECT_EQ(count_events("a", "trace"), 2 * 2);  // two steps, an MoE layer and an MTP block
}

TEST_F(RunTest, RefusesWithoutALimitAndWithoutData) {
  expect_error(request("a", ""), ErrorCode::kBadInput, "without a limit");
  recipe_.data.train = root_ + "/nowhere";
  expect_error(request("b", "5steps"), ErrorCode::kBadInput, "nowhere/train");
  EXPECT_FALSE(fs::exists(root_ + "/a"));
  EXPECT_FALSE(fs::exists(root_ + "/b"));
}

TEST_F(RunTest, ARunThatIsRefusedLeavesNoFolder) {
  Recipe usual = recipe_;
  recipe_.model.vocab_size = 1 << 30;
  expect_error(request("memory", "5steps"), ErrorCode::kOutOfResource, "does not fit");
  EXPECT_FALSE(fs::exists(root_ + "/memory"));
  recipe_ = usual;
  recipe_.train.init_from = root_ + "/nowhere@5";
  expect_error(request("branch", "5steps"), ErrorCode::kBadInput, "nowhere@5");
  recipe_.train.init_from = root_ + "/nowhere";
  expect_error(request("model", "5steps"), ErrorCode::kBadInput, "nowhere");
  EXPECT_FALSE(fs::exists(root_ + "/branch") || fs::exists(root_ + "/model"));
  recipe_ = usual;
  train_run(request("a", "5steps"), {});
  recipe_.train.seed += 1;
  expect_error(request("a", "9steps"), ErrorCode::kBadInput, "train.seed");
  EXPECT_TRUE(fs::exists(root_ + "/a/events.jsonl") && fs::exists(root_ + "/a/run.lock"));
}

TEST_F(RunTest, AFileInTheFoldersPlaceIsBadInput) {
  write_file_atomically(root_ + "/a", "mine");
  expect_error(request("a", "5steps"), ErrorCode::kBadInput, "/a: not a folder");
}

TEST_F(RunTest, RefusesIdsOutsideTheVocabulary) {
  recipe_.model.vocab_size = 40;
  expect_error(request("a", "5steps"), ErrorCode::kBadInput, "outside the vocabulary");
}

TEST_F(RunTest, EverySecondIsInOneCategory) {
  run_until_stopped(request("a", "20steps"), 7);
  train_run(request("a", "20steps"), {});
  const RunHistory history = read_history(root_ + "/a/events.jsonl");
  const Ledger ledger = make_ledger(history);
  EXPECT_NEAR(ledger.seconds.total(), ledger.wall_seconds, 1e-9);
  EXPECT_EQ(ledger.steps, 20);
  EXPECT_EQ(ledger.n_attempts, 2);
  EXPECT_GT(ledger.seconds[Category::kCompute], 0);
  EXPECT_GT(ledger.seconds[Category::kCheckpoint], 0);
  EXPECT_GT(ledger.seconds[Category::kEval], 0);
  EXPECT_EQ(ledger.seconds[Category::kRecomputed], 0);
}

// Its measurement is kept in the test's own folder.
TEST_F(RunTest, AutoIsADecisionBeforeItIsUsedAndIsReplayed) {
  setenv("XDG_CACHE_HOME", root_.c_str(), 1);
  recipe_.precision.matmul = "auto";
  run_until_stopped(request("a", "9steps"), 4);
  const RunOutcome resumed = train_run(request("a", "9steps"), {});
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(resumed.end, RunEnd::kFinished);
  std::vector<std::string> before_the_start;
  int n_choices = 0;
  read_events(root_ + "/a/events.jsonl", [&](const Json& event) {
    if (event.at("kind") == "run_start") before_the_start.push_back("run_start");
    if (event.at("kind") != "decision" || event.at("name") != "precision") return;
    ++n_choices;
    before_the_start.push_back(event.at("value"));
    EXPECT_FALSE(event.at("why").get<std::string>().empty());
  });
  EXPECT_EQ(n_choices, 1);  // the resumed attempt has it in the stored recipe
  ASSERT_FALSE(before_the_start.empty());
  EXPECT_NE(before_the_start.front(), "run_start");
  const Recipe stored = load_recipe(root_ + "/a/recipe.toml");
  EXPECT_EQ(stored.precision.matmul, before_the_start.front());
}

TEST_F(RunTest, EveryPrecisionResumesToTheBit) {
  for (const std::string matmul : {"bf16", "fp8", "fp16"}) {
    recipe_.precision.matmul = matmul;
    const RunOutcome whole = train_run(request(matmul + "-whole", "9steps"), {});
    run_until_stopped(request(matmul, "9steps"), 4);
    const RunOutcome resumed = train_run(request(matmul, "9steps"), {});
    EXPECT_EQ(resumed.weights_hash, whole.weights_hash) << matmul;
    EXPECT_EQ(losses(matmul), losses(matmul + "-whole")) << matmul;
  }
}

}  // namespace
}  // namespace farthing
