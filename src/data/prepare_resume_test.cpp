// prepare_resume_test.cpp - the pipeline as a whole: interrupted anywhere, cleaned, accounted for.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "data/prepare.h"
#include "data/shards.h"

namespace farthing {
namespace {

using Files = std::map<std::string, std::string>;

// A corpus in which every kind of removal finds something to do.
struct PipelineTest : testing::Test {
  PipelineTest() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-pipeline-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    std::string lines;
    for (int i = 0; i < 400; ++i) {
      std::string text = essay(i % 10 == 9 ? i - 1 : i);         // exact copies
      if (i % 10 == 7) text = essay(i - 1) + " One more word.";  // near copies
      if (i % 10 == 5) text = "Too short.";
      if (i % 10 == 3) text += "\\n\\nAll rights to this fine and repeated paragraph are reserved.";
      lines += "{\"text\": \"" + text + "\", \"id\": " + std::to_string(i) + "}\n";
    }
    write_file_atomically(path("a.jsonl"), lines);
    std::string book;
    for (int i = 400; i < 500; ++i) book += essay(i) + "\n\n";
    write_file_atomically(path("b.txt"), book);
  }
  ~PipelineTest() override {
    set_num_threads(1);
    std::filesystem::remove_all(folder);
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  // About 80 words, no two numbers alike.
  static std::string essay(int number) {
    const char* const words[] = {"the",  "of",     "and",    "coin", "penny", "with",
                                 "mint", "silver", "weight", "that", "king",  "have",
                                 "to",   "copper", "bank",   "be"};
    const Rng rng(7, RngStream::kTest);
    std::string text = "Essay";
    for (std::uint64_t i = 0; i < 80; ++i) {
      const auto draw = static_cast<std::uint64_t>(number) * 1000 + i;
      text.append(" ").append(words[rng.below(draw, 16)]);
      if (i % 8 == 7) text += std::to_string(rng.below(draw + 500, 1000)) + ".";
    }
    return text;
  }

  PrepareRequest request(const std::string& out) const {
    PrepareRequest made;
    made.sources = {{"lines", {path("a.jsonl")}, "CC0"}, {"book", {path("b.txt")}, ""}};
    made.folder = path(out);
    made.training.vocab_size = 300;
    made.val_fraction = 0.1;
    made.reading.blank_line_documents = true;
    made.reading.keep_metadata = true;
    made.dedup_exact = made.dedup_near = true;
    made.clean.drop_repeated_paragraphs = true;
    choose_rules("gopher.words,gopher.stop_words", made.clean);
    made.segment_bytes = 20000;
    return made;
  }

  Files files_of(const std::string& out) const {
    Files files;
    for (const auto& entry : std::filesystem::directory_iterator(path(out))) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("card.")) files[name] = read_file(entry.path().string());
    }
    return files;
  }

  std::filesystem::path folder;
};

TEST_F(PipelineTest, EveryDocumentIsAccountedFor) {
  const Json card = prepare_data(request("out"));
  EXPECT_EQ(card["documents_in"], 500);
  EXPECT_EQ(card["dropped"]["gopher.words"], 40);
  EXPECT_EQ(card["dropped"]["exact_duplicate"], 40);
  EXPECT_EQ(card["dropped"]["near_duplicate"], 40);
  EXPECT_EQ(card["documents_out"], 500 - 120);
  EXPECT_EQ(card["sources"][0]["paragraphs_removed"], 39);  // the first stays
  EXPECT_EQ(card["sources"][0]["dropped"]["gopher.words"], 40);
  EXPECT_EQ(card["sources"][1]["documents"], 100);
  const std::string page = format_card(card);
  EXPECT_NE(page.find("500 documents"), std::string::npos);
  EXPECT_NE(page.find("Rae et al. 2021"), std::string::npos);
  EXPECT_NE(page.find("`Too short.`"), std::string::npos) << page;
  const ShardReader train(path("out/train")), val(path("out/val"));
  EXPECT_EQ(train.n_documents() + val.n_documents(), 380);
}

TEST_F(PipelineTest, InterruptedAnywhereItEndsInTheSameBytes) {
  prepare_data(request("whole"));
  const Files wanted = files_of("whole");
  EXPECT_TRUE(wanted.contains("train.meta.jsonl.zst"));
  // Stops after 1, 2, 3, ... questions; each attempt goes on where the one before was.
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const std::string out = "cut" + std::to_string(threads);
    int n_attempts = 0;
    for (int patience = 1; n_attempts < 200; patience += 3) {
      auto made = request(out);
      made.memory_bytes = threads == 2 ? std::int64_t{200000} : 0;  // spills
      std::atomic<int> left{patience};
      made.should_stop = [&] { return --left < 0; };
      ++n_attempts;
      try {
        prepare_data(made);
        break;
      } catch (const Error& error) {
        ASSERT_EQ(error.code, ErrorCode::kInterrupted) << error.message;
      }
    }
    EXPECT_GT(n_attempts, 4);
    EXPECT_EQ(files_of(out), wanted) << threads << " threads";
  }
}

TEST_F(PipelineTest, KilledBehindItsCardItIsFinished) {
  auto made = request("out");
  std::string plan;
  made.should_stop = [&] {
    if (plan.empty()) plan = read_file(path("out/.preparing/plan.json"));
    return false;
  };
  const Json card = prepare_data(made);
  // As a kill leaves it while the work folder is being removed.
  const auto leave = [&] {
    std::filesystem::create_directories(path("out/.preparing/out"));
    write_file_atomically(path("out/.preparing/plan.json"), plan);
    write_file_atomically(path("out/.preparing/moving"), "");
    write_file_atomically(path("out/.preparing/seg-000000.json"), "{}");
  };
  leave();
  EXPECT_EQ(prepare_data(made), card);
  EXPECT_FALSE(file_exists(path("out/.preparing")));
  leave();
  auto other = request("out");
  other.val_fraction = 0.2;
  EXPECT_THROW(prepare_data(other), Error);
  EXPECT_FALSE(file_exists(path("out/.preparing")));
  EXPECT_EQ(prepare_data(made), card);
}

TEST_F(PipelineTest, AnEmptySplitIsSaidOnceAllIsRead) {
  for (const bool cuts_paragraphs : {false, true}) {
    auto made = request("out");
    made.sources.pop_back();
    made.val_fraction = 1e-9;
    made.clean.drop_repeated_paragraphs = cuts_paragraphs;
    std::string phases;
    try {
      prepare_data(made, [&](const char* phase, double, double) {
        if (!phases.ends_with(phase)) phases += phase;
      });
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(error.message.find("nothing falls in the validation split"), std::string::npos);
    }
    EXPECT_EQ(phases.find("tokenizer"), std::string::npos) << phases;
    EXPECT_EQ(phases.find("encoding"), std::string::npos) << phases;
  }
}

TEST_F(PipelineTest, AnotherRequestBeginsAfresh) {
  auto made = request("out");
  int left = 4;
  made.should_stop = [&] { return --left < 0; };
  EXPECT_THROW(prepare_data(made), Error);
  EXPECT_TRUE(file_exists(path("out/.preparing/seg-000000.json")));
  auto other = request("out");
  other.sources.pop_back();
  other.dedup_near = false;
  const Json card = prepare_data(other);
  EXPECT_EQ(card["documents_in"], 400);
  EXPECT_FALSE(file_exists(path("out/.preparing")));
}

TEST_F(PipelineTest, ShufflingKeepsTheDocumentsAndDoesNotDependOnMemory) {
  auto made = request("a");
  prepare_data(made);
  made.shuffle = true;
  made.folder = path("b");
  prepare_data(made);
  made.folder = path("c");
  made.memory_bytes = 200000;  // several stretches
  made.segment_bytes = 5000;
  prepare_data(made);
  const Files plain = files_of("a"), shuffled = files_of("b");
  EXPECT_NE(plain.at("train.bin"), shuffled.at("train.bin"));
  EXPECT_EQ(plain.at("train.bin").size(), shuffled.at("train.bin").size());
  EXPECT_EQ(plain.at("val.bin"), shuffled.at("val.bin"));
  EXPECT_EQ(files_of("c").at("train.bin"), shuffled.at("train.bin"));
  EXPECT_EQ(files_of("c").at("train.idx"), shuffled.at("train.idx"));
}

TEST_F(PipelineTest, FaultsStopOrAreCountedAndReported) {
  write_file_atomically(path("bad.jsonl"), "{\"text\": \"" + essay(900) +
                                               "\"}\n{\"text\": \"cut\n{\"body\": 1}\n"
                                               "{\"text\": \"a\", \"text\": \"b\"}\n{\"text\": \"" +
                                               essay(901) + "\"}\n");
  auto made = request("out");
  made.sources[1].inputs.push_back(path("bad.jsonl"));
  made.sources[1].inputs.push_back(path("gone.txt"));
  try {
    prepare_data(made);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("bad.jsonl:2: "), std::string::npos) << error.message;
  }
  made.reading.skip_faults = true;
  const Json card = prepare_data(made);
  EXPECT_EQ(card["documents_in"], 506);
  EXPECT_EQ(card["faults"]["count"], 4);
  EXPECT_EQ(card["dropped"]["unreadable"], 4);
  const std::string messages = card["faults"]["messages"].dump();
  EXPECT_NE(messages.find("stands twice"), std::string::npos) << messages;
  EXPECT_NE(messages.find("no key"), std::string::npos);
  EXPECT_NE(messages.find("gone.txt: cannot read"), std::string::npos);
}

TEST_F(PipelineTest, TheCardCountsEvaluationTextsThatAreTooShort) {
  write_file_atomically(path("eval.jsonl"), "{\"text\": \"Four short words here\"}\n{\"text\": \"" +
                                                std::string("one two three four five six seven ") +
                                                "eight nine ten eleven twelve thirteen\"}\n");
  auto made = request("out");
  made.clean.contamination_files = {path("eval.jsonl")};
  made.clean.contamination_ngram = 13;
  const Json card = prepare_data(made);
  EXPECT_EQ(card["clean"]["contamination"]["evaluation_texts"], 2);
  EXPECT_EQ(card["clean"]["contamination"]["too_short"], 1);
  EXPECT_NE(format_card(card).find("1 of 2 evaluation texts"), std::string::npos);
}

TEST_F(PipelineTest, ContaminationIsReportedAndRemoved) {
  write_file_atomically(path("eval.txt"), essay(450).substr(0, 300));
  auto made = request("kept");
  made.clean.contamination_files = {path("eval.txt")};
  const Json kept = prepare_data(made);
  EXPECT_EQ(kept["clean"]["contamination"]["documents"][path("eval.txt")], 1);
  EXPECT_FALSE(kept["dropped"].contains("contamination"));
  made.clean.drop_contaminated = true;
  made.folder = path("removed");
  const Json removed = prepare_data(made);
  EXPECT_EQ(removed["dropped"]["contamination"], 1);
  EXPECT_EQ(removed["documents_out"], kept["documents_out"].get<int>() - 1);
}

}  // namespace
}  // namespace farthing
