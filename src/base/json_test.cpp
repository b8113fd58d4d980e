// json_test.cpp - the parser refuses what a hostile file may hold, and says where.
#include "base/json.h"

#include <gtest/gtest.h>

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
  EXPECT_NE(complaint_about(std::string(1000000, '[')).find("nested too deeply"), std::string::npos);
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
