// routing_trace_test.cpp - the spread of a trace, and what has none.
#include "plan/routing_trace.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

TEST(RoutingTrace, SpreadIsTheRelativeDeviation) {
  EXPECT_DOUBLE_EQ(load_spread({10, 10, 10}), 0);
  EXPECT_DOUBLE_EQ(load_spread({5, 15}), 0.5);
  EXPECT_EQ(load_spread({7}), 0);
  EXPECT_EQ(load_spread({0, 0}), 0);
}

TEST(RoutingTrace, ReadsTheSecondHalfOfARun) {
  const TestFolder folder;
  const auto step = [](int number, const char* load) {
    return R"({"time_unix":1,"t_monotonic":)" + std::to_string(number) +
           R"(,"attempt":1,"rank":0,"kind":"step","step":)" + std::to_string(number) +
           R"(,"tokens":1,"seconds":{"compute":1},"expert_load":)" + load + "}\n";
  };
  std::string events = R"({"time_unix":1,"t_monotonic":0,"attempt":1,"rank":0,"kind":"run_start"})"
                       "\n";
  events += step(1, "[[0,100],[0,100]]") + step(2, "[[5,15],[10,10]]");
  write_file_atomically(folder.file("events.jsonl"), events);
  const RoutingTrace trace = read_routing_trace(folder.file(""));
  EXPECT_EQ(trace.n_steps, 1);
  EXPECT_DOUBLE_EQ(trace.spread, 0.25);
  write_file_atomically(folder.file("events.jsonl"), events.substr(0, events.find('\n') + 1));
  EXPECT_THROW(read_routing_trace(folder.file("")), Error);
}

}  // namespace
}  // namespace farthing
