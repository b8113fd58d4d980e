// events_test.cpp - events come back as written; torn ends are ignored, other damage is named.
#include "ledger/events.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

std::vector<Json> read_all(const std::string& path) {
  std::vector<Json> events;
  read_events(path, [&](const Json& event) { events.push_back(event); });
  return events;
}

void append_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

std::string refusal(const std::string& text) {
  try {
    read_events_text(text, "e.jsonl", [](const Json&, const std::string&) {});
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "accepted";
}

constexpr const char* kGood =
    "{\"time_unix\":1,\"t_monotonic\":0,\"attempt\":1,\"rank\":0,\"kind\":\"heartbeat\"}\n";

TEST(Events, ComeBackWithTheCommonKeysFirst) {
  const TestFolder folder;
  const std::string path = folder.file("events.jsonl");
  EventWriter writer(path, 3, 0);
  writer.write("step", {{"step", 7}, {"loss", 2.5}});
  writer.write("heartbeat", Json());
  writer.sync();
  const auto events = read_all(path);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["kind"], "step");
  EXPECT_EQ(events[0]["attempt"], 3);
  EXPECT_EQ(events[0]["loss"], 2.5);
  EXPECT_EQ(events[0].begin().key(), "time_unix");
  EXPECT_GT(events[0]["time_unix"].get<double>(), 1.7e9);
  EXPECT_LE(events[0]["t_monotonic"], events[1]["t_monotonic"]);
  EXPECT_LT(events[1]["t_monotonic"].get<double>(), 60);
}

TEST(Events, TornLastLineIsIgnoredThenCutOffAndQuoted) {
  const TestFolder folder;
  const std::string path = folder.file("events.jsonl");
  EventWriter(path, 1).write("run_start", Json());
  append_text(path, "{\"time_unix\":5,\"t_mo");
  EXPECT_EQ(read_all(path).size(), 1u);
  EventWriter(path, 2).write("run_start", Json());
  const auto events = read_all(path);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1]["kind"], "alert");
  EXPECT_EQ(events[1]["text"], "{\"time_unix\":5,\"t_mo");
  EXPECT_EQ(events[2]["attempt"], 2);
}

TEST(Events, TornLineOfBinaryRubbishIsCutOffToo) {
  const TestFolder folder;
  const std::string path = folder.file("events.jsonl");
  append_text(path, std::string("\0\0\xff\xfe", 4));
  EventWriter(path, 1).write("run_start", Json());
  EXPECT_EQ(read_all(path).size(), 2u);
}

TEST(Events, AnyOtherBadLineIsAnErrorWithItsPlace) {
  EXPECT_EQ(refusal(kGood), "accepted");
  EXPECT_EQ(refusal(""), "accepted");
  EXPECT_TRUE(
      refusal(std::string(kGood) + "{\"time\n" + kGood).starts_with("e.jsonl:2: not valid"));
  EXPECT_EQ(refusal(std::string(kGood) + "[1]\n"),
            "e.jsonl:2: an event: found [1], wanted an object");
  EXPECT_NE(refusal("\n"), "accepted");
  EXPECT_NE(refusal("{}\n"), "accepted");
  EXPECT_NE(refusal("{\"time_unix\":\"1\",\"t_monotonic\":0,\"attempt\":1,\"rank\":0,"
                    "\"kind\":\"x\"}\n"),
            "accepted");
  EXPECT_NE(refusal("{\"time_unix\":1,\"t_monotonic\":0,\"attempt\":1,\"rank\":0,\"kind\":7}\n"),
            "accepted");
}

TEST(Events, ManyThreadsWriteWholeLines) {
  const TestFolder folder;
  const std::string path = folder.file("events.jsonl");
  EventWriter writer(path, 1);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) writer.write("heartbeat", {{"step", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  const auto events = read_all(path);
  EXPECT_EQ(events.size(), 800u);
  for (std::size_t i = 1; i < events.size(); ++i) {
    EXPECT_LE(events[i - 1]["t_monotonic"], events[i]["t_monotonic"]);
  }
}

TEST(Events, NotANumberBecomesNull) {
  const TestFolder folder;
  EventWriter(folder.file("e"), 1).write("step", {{"loss", std::nan("")}});
  EXPECT_TRUE(read_all(folder.file("e"))[0]["loss"].is_null());
}

}  // namespace
}  // namespace farthing
