// torture_test.cpp - the program killed at random moments, signalled, doubled, and out of disk.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/shards.h"
#include "ledger/events.h"
#include "ledger/ledger.h"
#include "process.h"
#include "small_disk.h"
#include "terminal.h"
#include "train/checkpoint.h"
#include "train/testing.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

class Torture : public ::testing::Test {
 protected:
  Torture() : root_(fs::temp_directory_path() / ("farthing-torture-" + std::to_string(getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_ + "/data");
    for (const char* split : {"train", "val"}) {
      ShardWriter writer(root_ + "/data/" + split, 48);
      for (int document = 0; document < 300; ++document) {
        std::vector<std::int32_t> ids;
        for (int i = 0; i < 10 + document % 7; ++i) ids.push_back(2 + (document * 5 + i) % 46);
        ids.push_back(1);
        writer.add_document(ids);
      }
      writer.finish();
    }
    recipe_ = tiny_recipe();
    recipe_.data.train = root_ + "/data";
    recipe_.train.until = "400steps";
    recipe_.train.eval_every = 40;
    recipe_.train.eval_tokens = 320;
    recipe_.checkpoint.every = 4;
    write_recipe();
  }
  ~Torture() override { fs::remove_all(root_); }

  void write_recipe() { write_file_atomically(root_ + "/r.toml", to_toml(recipe_)); }

  std::vector<std::string> command(const std::string& run) {
    return {FARTHING_PROGRAM, "train", root_ + "/r.toml", "--run", run, "--threads", "1"};
  }
  int train(const std::string& run) { return Process(command(run), log()).wait(); }
  std::string log() const { return root_ + "/log"; }

  // Waits until the run has written so many steps.
  void wait_for_steps(const std::string& run, int n_steps) {
    for (int i = 0; i < 5000; ++i) {
      if (static_cast<int>(losses(run).size()) >= n_steps) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    FAIL() << "the run does not get on: " << read_file(log());
  }

  // The loss of each step as it last was; of a step done twice the values must agree.
  std::map<std::int64_t, std::string> losses(const std::string& run) {
    std::map<std::int64_t, std::string> series;
    if (!file_exists(run + "/events.jsonl")) return series;
    read_events(run + "/events.jsonl", [&](const Json& event) {
      if (event.at("kind") != "step") return;
      const auto [at, is_new] = series.emplace(event.at("step"), event.at("loss").dump());
      EXPECT_EQ(at->second, event.at("loss").dump()) << "step " << at->first;
    });
    return series;
  }

  std::string root_;
  Recipe recipe_;
};

std::string newest(const std::string& run) {
  return list_checkpoints(run + "/checkpoints").back().path;
}

TEST_F(Torture, TwentyKillsLeaveNoTrace) {
  const std::string whole = root_ + "/whole", killed = root_ + "/killed";
  ASSERT_EQ(train(whole), 0) << read_file(log());
  const Rng rng(20, RngStream::kTest);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const int n_before = static_cast<int>(losses(killed).size());
    Process process(command(killed), log());
    // A fourth of them anywhere in the start-up, the others in the steps, saves and evaluations.
    if (i % 4 != 0) wait_for_steps(killed, n_before + 1 + static_cast<int>(rng.below(2 * i, 12)));
    const double longest = i % 4 == 0 ? 0.2 : 0.012;
    EXPECT_FALSE(process.ends_within(longest * rng.uniform(2 * i + 1))) << read_file(log());
    process.send(SIGKILL);
    EXPECT_EQ(process.wait(), -SIGKILL);
  }
  EXPECT_LT(losses(killed).size(), 400u);
  ASSERT_EQ(train(killed), 0) << read_file(log());

  EXPECT_EQ(losses(killed), losses(whole));
  EXPECT_EQ(read_checkpoint_manifest(newest(killed)).weights_hash,
            read_checkpoint_manifest(newest(whole)).weights_hash);
  for (const char* file : {"master.safetensors", "moment1.safetensors", "moment2.safetensors"}) {
    EXPECT_EQ(read_file(newest(killed) + "/" + file), read_file(newest(whole) + "/" + file));
  }
  EXPECT_EQ(read_file(killed + "/model/model.safetensors"),
            read_file(whole + "/model/model.safetensors"));

  const Ledger ledger = make_ledger(read_history(killed + "/events.jsonl"));
  EXPECT_NEAR(ledger.seconds.total(), ledger.wall_seconds, 1e-6);
  EXPECT_EQ(ledger.steps, 400);
  EXPECT_GT(ledger.seconds[Category::kRecomputed] + ledger.seconds[Category::kLost], 0);
}

TEST_F(Torture, SignalsSaveAndSayHow) {
  const std::string run = root_ + "/run";
  for (const auto& [signal, status] : {std::pair{SIGTERM, 75}, std::pair{SIGINT, 130}}) {
    const int before = static_cast<int>(losses(run).size());
    Process process(command(run), log());
    wait_for_steps(run, before + 6);
    process.send(signal);
    EXPECT_EQ(process.wait(), status) << read_file(log());
    EXPECT_EQ(read_checkpoint_manifest(newest(run)).step,
              static_cast<std::int64_t>(losses(run).size()));
    EXPECT_NE(read_file(log()).find("goes on from there"), std::string::npos);
  }
  EXPECT_EQ(train(run), 0) << read_file(log());
  const std::string events = read_file(run + "/events.jsonl");
  EXPECT_EQ(train(run), 0);  // says that it is finished, and does nothing
  EXPECT_NE(read_file(log()).find("finished"), std::string::npos);
  EXPECT_EQ(read_file(run + "/events.jsonl"), events);
}

// What the live line, between a carriage return and "erase the rest", ever showed.
std::vector<std::string> live_lines(const std::string& output) {
  std::vector<std::string> lines;
  for (std::size_t end = output.find("\x1b[K"); end != std::string::npos;) {
    const std::size_t begin = output.rfind('\r', end) + 1;
    lines.push_back(output.substr(begin, end - begin));
    end = output.find("\x1b[K", end + 1);
  }
  return lines;
}

TEST_F(Torture, TheLiveLineFitsASmallTerminalAndCtrlCSaves) {
  const std::string run = root_ + "/run";
  recipe_.train.until = "400000steps";
  write_recipe();
  Terminal terminal(command(run), 60, 15);
  EXPECT_TRUE(terminal.shows("\x1b[K\r", 60)) << terminal.output();
  terminal.type('\x03');
  EXPECT_EQ(terminal.wait(), 130) << terminal.output();
  EXPECT_NE(terminal.output().find("goes on from there"), std::string::npos) << terminal.output();
  EXPECT_EQ(read_checkpoint_manifest(newest(run)).step,
            static_cast<std::int64_t>(losses(run).size()));
  const std::vector<std::string> lines = live_lines(terminal.output());
  EXPECT_GT(lines.size(), 1u);
  for (const std::string& line : lines) {
    EXPECT_LT(line.size(), 60u) << line;
    EXPECT_NE(line.find("tok/s"), std::string::npos) << line;
    EXPECT_NE(line.find("USD"), std::string::npos) << line;
  }
}

TEST_F(Torture, ASecondCtrlCLeavesAtOnce) {
  const std::string run = root_ + "/run";
  recipe_.train.batch_tokens = 40000 * recipe_.data.sequence_length;  // a step of many seconds
  recipe_.train.until = "3steps";
  write_recipe();
  Terminal terminal(command(run), 60, 15);
  EXPECT_TRUE(terminal.shows("memory", 60)) << terminal.output();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  terminal.type('\x03');
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto second = std::chrono::steady_clock::now();
  terminal.type('\x03');
  EXPECT_EQ(terminal.wait(), -SIGINT) << terminal.output();
  EXPECT_LT(std::chrono::steady_clock::now() - second, std::chrono::seconds(1));
}

TEST_F(Torture, ASecondProcessIsRefused) {
  const std::string run = root_ + "/run";
  Process first(command(run), root_ + "/log1");
  wait_for_steps(run, 3);
  EXPECT_EQ(train(run), 1);
  EXPECT_NE(read_file(log()).find("is training this run"), std::string::npos) << read_file(log());
  EXPECT_EQ(first.wait(), 0);
}

TEST_F(Torture, AFullDiskStopsTheSaveNotThePast) {
  const std::string disk = root_ + "/disk";
  fs::create_directories(disk);
  if (!mount_small_disk(disk, "size=600k")) {
    GTEST_SKIP() << "cannot mount a tmpfs (needs root): " << std::strerror(errno);
  }
  const std::string run = disk + "/run";
  recipe_.checkpoint.keep_last = 1000;  // so that it fills up
  write_recipe();
  const int status = train(run);
  const std::string words = read_file(log());
  const auto kept = list_checkpoints(run + "/checkpoints");
  bool intact = !kept.empty();
  for (const auto& entry : kept) intact = intact && checkpoint_fault(entry.path).empty();
  const bool grown = mount_small_disk(disk, "size=200m", MS_REMOUNT);
  const int resumed = train(run);
  const std::string resumed_words = read_file(log());
  const std::string whole = root_ + "/whole";
  const int whole_status = train(whole);
  const bool same = resumed == 0 && whole_status == 0 &&
                    read_checkpoint_manifest(newest(run)).weights_hash ==
                        read_checkpoint_manifest(newest(whole)).weights_hash;
  umount2(disk.c_str(), MNT_DETACH);
  EXPECT_EQ(status, 4) << words;
  EXPECT_NE(words.find("No space left"), std::string::npos) << words;
  EXPECT_TRUE(intact);
  EXPECT_TRUE(grown);
  EXPECT_EQ(resumed, 0) << resumed_words;
  EXPECT_TRUE(same);
}

}  // namespace
}  // namespace farthing
