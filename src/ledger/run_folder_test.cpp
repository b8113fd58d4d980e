// run_folder_test.cpp - one owner, numbered attempts, and lines that outlive the folder.
#include "ledger/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "ledger/events.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

TEST(RunFolder, PathsOfARun) {
  const RunPaths paths("runs/a/");
  EXPECT_EQ(paths.folder, "runs/a");
  EXPECT_EQ(paths.name(), "a");
  EXPECT_EQ(paths.events, "runs/a/events.jsonl");
  EXPECT_EQ(paths.project_ledger, "runs/ledger.jsonl");
  EXPECT_EQ(RunPaths("a").project_ledger, "ledger.jsonl");
}

TEST(RunFolder, AttemptsAreNumberedByTheEvents) {
  const TestFolder folder;
  const std::string path = folder.file("runs/a");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    RunFolder run = RunFolder::open(path);
    run.keep();
    EXPECT_EQ(run.attempt(), attempt);
    EventWriter(run.paths().events, run.attempt()).write("run_start", Json());
  }
  EXPECT_TRUE(std::filesystem::is_directory(path + "/checkpoints"));
}

TEST(RunFolder, WhatWasNeverARunLeavesNothing) {
  const TestFolder folder;
  { const RunFolder refused = RunFolder::open(folder.file("runs/a")); }
  EXPECT_FALSE(std::filesystem::exists(folder.file("runs")));
  RunFolder::open(folder.file("runs/a")).keep();
  { const RunFolder refused = RunFolder::open(folder.file("runs/a")); }
  EXPECT_TRUE(std::filesystem::exists(folder.file("runs/a/run.lock")));
  EXPECT_TRUE(std::filesystem::is_directory(folder.file("runs/a/checkpoints")));
}

TEST(RunFolder, AFileInItsPlaceIsBadInput) {
  const TestFolder folder;
  std::ofstream(folder.file("a")) << "mine";
  try {
    RunFolder::open(folder.file("a"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("/a: not a folder"), std::string::npos) << error.message;
  }
}

TEST(RunFolder, SecondOwnerIsRefusedAndToldWhoHoldsIt) {
  const TestFolder folder;
  const std::string path = folder.file("a");
  const RunFolder run = RunFolder::open(path);
  const pid_t owner = getpid();
  const pid_t child = fork();
  if (child == 0) {
    int status = 1;
    try {
      RunFolder::open(path);
    } catch (const Error& error) {
      const bool names_owner =
          error.message.find("process " + std::to_string(owner) + " ") != std::string::npos;
      status = error.code == ErrorCode::kFailed && names_owner ? 0 : 2;
    }
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(RunFolder, LockGoesWithItsOwner) {
  const TestFolder folder;
  { const RunFolder run = RunFolder::open(folder.file("a")); }
  EXPECT_NO_THROW(RunFolder::open(folder.file("a")));
}

TEST(RunFolder, FileInTheWayIsAnError) {
  const TestFolder folder;
  std::ofstream(folder.file("a")) << "x";
  EXPECT_THROW(RunFolder::open(folder.file("a")), Error);
}

TEST(ProjectLedger, KeepsALineAfterTheFolderIsGone) {
  const TestFolder folder;
  const RunPaths paths(folder.file("runs/a"));
  RunFolder::open(paths.folder).keep();
  append_project_line(paths, {{"state", "started"}});
  std::ofstream(paths.project_ledger, std::ios::app) << "{\"torn";
  append_project_line(paths, {{"state", "done"}});
  std::filesystem::remove_all(paths.folder);
  const auto lines = read_project_lines(paths.project_ledger);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["run"], "a");
  EXPECT_EQ(lines[1]["state"], "done");
  EXPECT_TRUE(read_project_lines(folder.file("none")).empty());
}

}  // namespace
}  // namespace farthing
