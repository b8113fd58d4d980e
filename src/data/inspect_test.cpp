// inspect_test.cpp - what an inspection counts, of shards made here and elsewhere; its two faces.
#include "data/inspect.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "data/shard_bytes.h"
#include "data/shards.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

struct InspectTest : testing::Test {
  InspectTest()
      : folder(fs::temp_directory_path().string() + "/farthing-inspect-" +
               std::to_string(getpid())) {
    fs::create_directories(folder);
    ShardWriter writer(folder + "/train", 1000);
    for (const std::vector<std::int32_t>& ids : std::vector<std::vector<std::int32_t>>{
             {5, 6, 7, 0}, {8, 0}, {5, 6, 7, 0}, {}, {5, 6, 7, 0}, {8, 0}, {9, 9, 9, 9, 9, 0}}) {
      writer.add_document(ids);
    }
    writer.finish();
  }
  ~InspectTest() override { fs::remove_all(folder); }
  void write_card(const Json& more) {
    Json card = {{"splits", {{"train", {{"documents", 7}, {"tokens", 22}, {"bytes", 60}}}}},
                 {"sources",
                  {{{"name", "<b>one"},
                    {"licence", ""},
                    {"documents", 7},
                    {"train", {{"documents", 7}, {"tokens", 22}, {"bytes", 60}}},
                    {"val", {{"documents", 0}, {"tokens", 0}, {"bytes", 0}}}}}}};
    card.update(more);
    write_file_atomically(folder + "/card.json", card.dump());
  }
  std::string folder;
};

TEST_F(InspectTest, CountsTokensCopiesAndPacking) {
  const Json split = inspect_data(folder, {.sequence_length = 5})["splits"]["train"];
  EXPECT_EQ(split["documents"], 7);
  EXPECT_EQ(split["tokens"], 22);
  EXPECT_EQ(split["sequences"], 7);
  EXPECT_EQ(split["ids_used"], 6);
  EXPECT_EQ(split["longest_document"], 6);
  EXPECT_EQ(split["frequent"][0], Json({{"id", 0}, {"text", nullptr}, {"count", 6}}));
  EXPECT_EQ(split["frequent"][1], Json({{"id", 9}, {"text", nullptr}, {"count", 5}}));
  const Json wanted = {{{"from", 0}, {"to", 0}, {"ids", 4}, {"tokens", 0}},
                       {{"from", 2}, {"to", 3}, {"ids", 4}, {"tokens", 11}},
                       {{"from", 4}, {"to", 7}, {"ids", 2}, {"tokens", 11}}};
  EXPECT_EQ(split["token_histogram"], wanted);
  const Json& copies = split["duplicates"];
  EXPECT_EQ(copies["documents"], 6);
  EXPECT_EQ(copies["distinct"], 3);
  EXPECT_EQ(copies["copies"], 3);
  EXPECT_EQ(copies["most"][0]["copies"], 3);
  EXPECT_EQ(copies["most"][0]["tokens"], 4);
  // Sixes: the 6 alone, two 4 + 2, and a 4.
  EXPECT_EQ(split["packing"]["best_fit"]["windows"], 4);
  EXPECT_EQ(split["packing"]["best_fit"]["truncated_documents"], 0);
}

TEST_F(InspectTest, ACompressedShardIsTheSame) {
  Json plain = inspect_data(folder);
  compress_shard(folder + "/train");
  fs::remove(folder + "/train.bin");
  Json packed = inspect_data(folder);
  for (Json* json : {&plain, &packed}) {
    json->erase("bytes_on_disk");
    (*json)["splits"]["train"].erase("bytes_on_disk");
  }
  EXPECT_EQ(plain, packed);
}

TEST_F(InspectTest, ShowsTheCardAndEscapesIt) {
  write_card({{"documents_in", 10},
              {"dropped", {{"too short", 1}, {"repeated lines", 2}}},
              {"clean", {{"rules", {{{"name", "repeated lines"}, {"source", "Gopher"}}}}}},
              {"cost", {{"seconds", 12.0}, {"usd", 0.0004}}}});
  const Json inspection = inspect_data(folder);
  EXPECT_EQ(inspection["dropped"][0]["reason"], "repeated lines");
  EXPECT_EQ(inspection["dropped"][0]["source"], "Gopher");
  EXPECT_EQ(inspection["dropped"][1]["share"], 0.1);
  EXPECT_EQ(inspection["sources"][0]["cost"]["seconds"], 12.0);
  const std::string text = inspection_text(inspection), html = inspection_html(inspection);
  for (const char* words : {"repeated lines", "Gopher", "0.0004", "not stated", "12.0 s"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words;
    EXPECT_NE(html.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(html.find("<b>one"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);  // nothing from outside the page
}

TEST_F(InspectTest, CardsThatAreNoneAreRefused) {
  for (const char* bytes : {"[]", "3", "{\"sources\": 3}", "{\"sources\": [{}]}", "{",
                            "{\"dropped\": {\"x\": \"many\"}}"}) {
    write_file_atomically(folder + "/card.json", bytes);
    EXPECT_THROW(inspect_data(folder), Error) << bytes;
  }
}

}  // namespace
}  // namespace farthing
