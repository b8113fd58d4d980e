// json_test.cpp - the parser refuses what a hostile file may hold, and says where.
#include "base/json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace farthing {
namespace {

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

std::string complaint_about(const std::string& text) {
  try {
    parse_json(text, "file.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_EQ(error.message.rfind("file.json: ", 0), 0u) << error.message;
    return error.message;
  }
  return "accepted";
}

TEST(Json, KeepsTheOrderOfKeys) {
  const Json json = parse_json(R"({"z": 1, "a": [true, null], "m": "x"})", "t");
  EXPECT_EQ(json.dump(), R"({"z":1,"a":[true,null],"m":"x"})");
}

TEST(Json, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_NE(complaint_about(R"({"a": 1, "a": 2})").find("\"a\" twice"), std::string::npos);
  EXPECT_NE(complaint_about(R"([{"b": {"c": 1, "c": 1}}])").find("\"c\" twice"), std::string::npos);
  EXPECT_EQ(complaint_about(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})"), "accepted");
  EXPECT_EQ(complaint_about(R"({"a": {"b": 1}, "b": 2})"), "accepted");
}

TEST(Json, RefusesNestingDeeperThan64) {
  EXPECT_EQ(complaint_about(nested(64)), "accepted");
  EXPECT_NE(complaint_about(nested(65)).find("nested too deeply"), std::string::npos);
  EXPECT_NE(complaint_about(std::string(1000000, '[')).find("nested too deeply"),
            std::string::npos);
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  EXPECT_NE(complaint_about(objects).find("nested too deeply"), std::string::npos);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\" 1}", "1 2", "nul", "\"\x01\"", "\"\xff\"",
                           "1e999", "// c\n1", "[1", "{\"a\":1}}"}) {
    EXPECT_NE(complaint_about(text).find("not valid JSON"), std::string::npos) << text;
  }
}

TEST(Json, ReadsEveryKindOfValue) {
  const char* text = R"([null,true,-3,18446744073709551615,0.5,"x",{"a":{},"b":[{"c":[]},1]},[]])";
  const Json json = parse_json(text, "t");
  EXPECT_EQ(json.dump(), text);
  EXPECT_EQ(json, Json::parse(text));
  EXPECT_EQ(parse_json(" 7 ", "t"), Json(7));
}

// Looking each key up among all earlier ones took 13 seconds here; DeepSeek-V3's index of weights
// has 92 thousand.
TEST(Json, TimeIsLinearInTheNumberOfKeys) {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) text += fmt::format("\"model.layers.experts.{}\":{},", i, i);
  const auto begun = std::chrono::steady_clock::now();
  const Json json = parse_json(text + "\"end\":0}", "t");
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begun;
  EXPECT_LT(spent.count(), 4.0);  // 0.1 on a quiet core
  ASSERT_EQ(json.size(), 100001u);
  EXPECT_EQ(std::next(json.begin(), 99999).value(), 99999);
  EXPECT_NE(complaint_about(text + "\"model.layers.experts.5\":0}").find("twice"),
            std::string::npos);
}

TEST(Json, MessagesQuoteLittleOfAHostileFile) {
  const std::string key(100000, 'x');
  EXPECT_LT(complaint_about(fmt::format("{{\"{}\" 1}}", key)).size(), 400u);
  EXPECT_NE(complaint_about("{").find("not valid JSON: found parse error at line 1, column 2"),
            std::string::npos);
  EXPECT_LT(complaint_about(fmt::format("{{\"{}\":1,\"{}\":1}}", key, key)).size(), 400u);
}

TEST(Json, AMissingFileIsBadInput) {
  try {
    read_json("/nowhere/at/all.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("/nowhere/at/all.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace farthing
