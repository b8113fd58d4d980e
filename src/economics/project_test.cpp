// project_test.cpp - every run counted once, unknown never zero, hostile folders named.
#include "economics/project.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "config/share.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

// Two cores for `hours`, in one step.
std::string events(double begun, double hours, const std::string& more = "") {
  const std::string common = "\"attempt\":1,\"rank\":0,";
  const auto at = [&](double t) {
    return "{\"time_unix\":" + std::to_string(begun + t) + ",\"t_monotonic\":" + std::to_string(t) +
           "," + common;
  };
  return at(0) + "\"kind\":\"run_start\",\"n_threads\":2" + more + "}\n" + at(hours * 3600) +
         "\"kind\":\"step\",\"step\":1,\"tokens\":1000,\"step_tokens\":1000,\"loss\":3,\"seconds\":"
         "{\"compute\":" +
         std::to_string(hours * 3600) + "}}\n";
}

struct TestProject {
  TestFolder folder;
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(folder.file(path)).parent_path());
    write_file_atomically(folder.file(path), text);
  }
  void run(const std::string& name, double begun, double hours, const std::string& purpose,
           const std::string& phase = "pre-training") const {
    write(name + "/events.jsonl", events(begun, hours));
    write(name + "/recipe.toml",
          "[run]\npurpose = \"" + purpose + "\"\nphase = \"" + phase + "\"\n");
  }
  ProjectFacts facts() const { return collect_project({.folder = folder.file("")}); }
  ProjectCost cost() const {
    set_share_folder(FARTHING_SOURCE_DIR);
    PriceBook book = load_price_book("default");
    return price_project(facts(), book, load_definitions());
  }
};

std::string line(const std::string& run, double core_hours, const std::string& more = "") {
  return "{\"time_unix\":1,\"run\":\"" + run +
         "\",\"state\":\"finished\",\"core_seconds\":" + std::to_string(core_hours * 3600) + more +
         "}\n";
}

TEST(Project, CountsFoldersAndDeletedRunsOnce) {
  const TestProject project;
  project.run("a", 1000, 3, "final");
  project.run("b", 2000, 1, "experiment");
  project.write("ledger.jsonl", line("a", 2) + line("a", 6) + line("gone", 4) + line("gone", 5));
  const ProjectCost cost = project.cost();
  ASSERT_EQ(cost.facts.runs.size(), 3u);
  EXPECT_NEAR(cost.sheet.value("final_compute"), 6 * 0.04, 1e-9);
  EXPECT_NEAR(cost.sheet.value("other_compute"), (2 + 5) * 0.04, 1e-9);
  EXPECT_NEAR(cost.sheet.value(cost.tax), 13.0 / 6, 1e-9);
}

TEST(Project, ACopyALinkAndANameUsedAgainAreSeenThrough) {
  const TestProject project;
  project.run("a", 1000, 3, "experiment");
  fs::copy(project.folder.file("a"), project.folder.file("copy"));
  fs::create_directory_symlink(project.folder.file("a"), project.folder.file("link"));
  fs::create_directory_symlink(project.folder.file(""), project.folder.file("loop"));
  // Another "a" had used 9 core-hours and was deleted before this one began.
  project.write("ledger.jsonl", line("a", 9) + line("a", 0) + line("a", 6));
  const ProjectFacts facts = project.facts();
  ASSERT_EQ(facts.runs.size(), 2u);
  double hours = 0;
  for (const auto& run : facts.runs) hours += run.hours;
  EXPECT_NEAR(hours, 6 + 9, 1e-9);
  EXPECT_EQ(facts.remarks.size(), 2u);
}

TEST(Project, ASimulationCostsNothing) {
  const TestProject project;
  project.run("a", 1000, 3, "final");
  project.write("plan/events.jsonl", events(5000, 100, ",\"simulated\":true"));
  const ProjectFacts facts = project.facts();
  ASSERT_EQ(facts.runs.size(), 1u);
  EXPECT_EQ(facts.remarks.size(), 1u);
}

TEST(Project, WhatNobodyStatedIsNotZero) {
  const TestProject project;
  project.run("a", 1000, 3, "experiment");
  const ProjectCost cost = project.cost();
  EXPECT_TRUE(std::isnan(cost.sheet.value("final_compute")));
  EXPECT_TRUE(std::isnan(cost.sheet.value(cost.tax)));
  EXPECT_TRUE(std::isnan(cost.sheet.value("people")));
  EXPECT_TRUE(std::isnan(cost.sheet.value("sum_final_run")));
  for (const auto& definition : cost.definitions) EXPECT_FALSE(definition.missing.empty());
  EXPECT_EQ(cost.sheet.at("sum_programme").label, "the whole programme, at least");
  EXPECT_TRUE(cost.machines_are_rented);
  EXPECT_TRUE(cost.is_in_the_rent("hardware_bought"));
  EXPECT_FALSE(cost.is_in_the_rent("people"));
  EXPECT_NE(cost.sheet.at("electricity").label.find(": none, taken as rented"), std::string::npos);
}

TEST(Project, ARunWithoutAMeterHasTheBooksWatts) {
  const TestProject project;
  project.run("a", 1000, 3, "experiment");
  project.write("ledger.jsonl", line("gone", 4, ",\"joules\":7.2e6,\"joules_estimated\":false"));
  const ProjectCost cost = project.cost();
  const PriceBook book = load_price_book("default");
  ASSERT_EQ(cost.facts.runs.size(), 2u);
  const ProjectRun &estimated = cost.facts.runs[0], &measured = cost.facts.runs[1];
  EXPECT_NEAR(estimated.kwh.value(), 6 * book.power.value / book.machine_cores / 1000, 1e-9);
  EXPECT_TRUE(estimated.kwh_estimated);
  EXPECT_EQ(measured.kwh.value(), 2);
  EXPECT_FALSE(measured.kwh_estimated);
}

// DeepSeek-V3's own table 1 out of a project file.
TEST(Project, ReproducesTheTableOfV3) {
  const TestProject project;
  std::string toml = "name = \"v3\"\nmachines = \"rented\"\n";
  for (const auto& [phase, hours] :
       {std::pair{"pre-training", 2664000}, {"extension", 119000}, {"post-training", 5000}}) {
    toml += "[[compute]]\nname = \"v3\"\nphase = \"" + std::string(phase) +
            "\"\ndevice = \"H800\"\n" + "hours = " + std::to_string(hours) + "\nusd_per_hour = 2\n";
  }
  toml +=
      "[[compute]]\nname = \"ablation\"\npurpose = \"experiment\"\ndevice = \"H800\"\nhours = "
      "1394000\namount = 14.4\ncurrency = \"CNY\"\n[exchange]\nCNY = 7.2\n"
      "[[people]]\nrole = \"r\"\ncount = 2\nmonths = 3\nusd_per_month = 1000\n[[data]]\nname = "
      "\"web\"\nusd = 0\n";
  project.write("project.toml", toml);
  const ProjectCost cost = project.cost();
  EXPECT_EQ(cost.sheet.value(cost.phases[0].final_usd), 5.328e6);
  EXPECT_EQ(cost.sheet.value(cost.phases[1].final_usd), 0.238e6);
  EXPECT_EQ(cost.sheet.value(cost.phases[2].final_usd), 0.010e6);
  EXPECT_EQ(cost.sheet.value("sum_final_run"), 5.576e6);
  EXPECT_EQ(cost.sheet.value(cost.tax), 1.5);
  EXPECT_EQ(cost.sheet.value("people"), 6000);
  EXPECT_EQ(cost.sheet.value("data"), 0);
  EXPECT_EQ(cost.sheet.value("hardware_bought"), 0);
  EXPECT_TRUE(cost.definitions[0].missing.empty());
  EXPECT_EQ(cost.sheet.at("sum_final_run").label, "the final run");
  EXPECT_EQ(cost.definitions[2].missing.size(), 1u);  // tools
}

TEST(Project, OwnedMachinesWearByTheHoursOfTheRuns) {
  const TestProject project;
  project.run("a", 1000, 100, "final");  // 200 core-hours
  project.write("project.toml",
                "machines = \"owned\"\n[[hardware]]\nname = \"pc\"\nusd = 1753.2\nyears = "
                "2\nbusy_share = 0.5\ncores = 2\n");
  const ProjectCost cost = project.cost();
  EXPECT_NEAR(cost.sheet.value("hardware_worn"), 1753.2 * 100 / (2 * 8766 * 0.5), 1e-9);
  EXPECT_EQ(cost.sheet.value("hardware_bought"), 1753.2);
  EXPECT_EQ(cost.sheet.value("rented_compute"), 0);
  EXPECT_GT(cost.sheet.value("electricity"), 0);
}

constexpr const char* kOthersStated =
    "[[people]]\nrole = \"r\"\ncount = 1\nmonths = 1\nusd_per_month = 100\n"
    "[[data]]\nusd = 0\n[[tools]]\nusd = 0\n[[overhead]]\nusd = 0\n[[earlier]]\nusd = 0\n";

TEST(Project, TheEnergyOfHoursThatNobodyMeteredIsNotZero) {
  const TestProject project;
  const std::string owned = std::string("machines = \"owned\"\n") + kOthersStated +
                            "[[hardware]]\nname = \"pc\"\nusd = 100000\nhours = 10000\n"
                            "years = 3\nbusy_share = 1\ncores = 2\n";
  project.write("project.toml", owned);
  ProjectCost cost = project.cost();
  EXPECT_TRUE(std::isnan(cost.sheet.value("electricity")));
  EXPECT_EQ(cost.sheet.at("sum_programme").label, "the whole programme, at least");
  EXPECT_EQ(cost.definitions[3].missing, std::vector<std::string>{"electricity"});
  project.write("project.toml", owned + "kwh = 5000\n");
  cost = project.cost();
  EXPECT_NEAR(cost.sheet.value("electricity"), 5000 * 1.58 * 0.17, 1e-9);
  EXPECT_TRUE(cost.definitions[3].missing.empty());
  project.run("a", 1000, 100, "final");  // its energy is in those hours'
  EXPECT_NEAR(project.cost().sheet.value("electricity"), 5000 * 1.58 * 0.17, 1e-9);
  project.write("project.toml", owned);  // 200 of 20,000 core-hours are known
  cost = project.cost();
  EXPECT_GT(cost.sheet.value("electricity"), 0);
  EXPECT_TRUE(cost.partial.contains("electricity"));
  EXPECT_EQ(cost.definitions[3].missing.size(), 1u);
}

TEST(Project, AMachineWithoutALifeHasNoWear) {
  const TestProject project;
  const std::string pc = "[[hardware]]\nname = \"pc\"\nusd = 1000\nhours = 100\nkwh = 1\n";
  const std::string owned = std::string("machines = \"owned\"\n") + kOthersStated + pc;
  for (const char* half : {"", "years = 3\n", "busy_share = 1\n"}) {
    project.write("project.toml", owned + half);
    const ProjectCost cost = project.cost();
    EXPECT_TRUE(std::isnan(cost.sheet.value("hardware_worn"))) << half;
    EXPECT_EQ(cost.definitions[4].missing.size(), 1u) << half;
  }
  project.write("project.toml", owned + pc + "years = 1\nbusy_share = 1\n");
  const ProjectCost cost = project.cost();
  EXPECT_NEAR(cost.sheet.value("hardware_worn"), 1000 * 100 / 8766.0, 1e-9);
  EXPECT_TRUE(cost.partial.contains("hardware_worn"));
}

TEST(Project, WithoutARunMachineTimeIsNotStated) {
  const TestProject project;
  project.write("project.toml", kOthersStated);
  const ProjectCost cost = project.cost();
  for (const char* id : {"all_compute", "other_compute", "rented_compute", "sum_all_runs"}) {
    EXPECT_TRUE(std::isnan(cost.sheet.value(id))) << id;
  }
  EXPECT_EQ(cost.sheet.value("sum_programme"), 100);
  EXPECT_EQ(cost.definitions[3].missing, std::vector<std::string>{"rent paid"});
}

// A run on devices that nobody named has hours and no price.
std::string import_without_device(double begun) {
  return events(begun, 5, ",\"device\":\"not stated\"");
}
constexpr const char* kBill =
    "[[compute]]\nname = \"rented\"\ndevice = \"H100\"\nhours = 1000\nusd_per_hour = 2.5\n";

TEST(Project, AtLeastCountsWhatIsStatedBesideWhatIsNot) {
  const TestProject project;
  project.write("theirs/events.jsonl", import_without_device(1000));
  project.write("project.toml", std::string(kBill) +
                                    "[[people]]\nrole = \"r\"\ncount = 1\n"
                                    "months = 1\nusd_per_month = 1000\n");
  const ProjectCost cost = project.cost();
  EXPECT_EQ(cost.sheet.value("rented_compute"), 2500);
  EXPECT_EQ(cost.sheet.value("sum_programme"), 3500);
  EXPECT_EQ(cost.sheet.value("sum_final_run"), 2500);
  EXPECT_TRUE(cost.partial.contains("rented_compute"));
  EXPECT_TRUE(std::isnan(cost.sheet.value(cost.tax)));
  EXPECT_NE(cost.no_tax.find("price"), std::string::npos) << cost.no_tax;
}

TEST(Project, NothingPricedIsNotStatedAndNotAtLeastNothing) {
  const TestProject project;
  project.write("theirs/events.jsonl", import_without_device(1000));
  const ProjectCost unpriced = project.cost();
  EXPECT_TRUE(std::isnan(unpriced.sheet.value("sum_programme")));
  EXPECT_TRUE(std::isnan(unpriced.sheet.value(unpriced.phases[0].all_usd)));
  project.run("b", 2000, 1, "experiment");
  const ProjectCost priced = project.cost();
  EXPECT_NEAR(priced.sheet.value("sum_programme"), 2 * 0.04, 1e-9);
  EXPECT_NEAR(priced.sheet.value("sum_all_runs"), 2 * 0.04, 1e-9);
  EXPECT_NE(priced.no_tax.find("final"), std::string::npos);
}

TEST(Project, AMachineWearsByAtMostItsPrice) {
  const TestProject project;
  project.run("a", 1000, 1e5, "final");  // 200,000 core-hours
  project.write("project.toml",
                "machines = \"owned\"\n[[hardware]]\nname = \"pc\"\nusd = 1000\nyears = 1\n"
                "busy_share = 1\ncores = 2\n");
  EXPECT_EQ(project.cost().sheet.value("hardware_worn"), 1000);
}

TEST(Project, ALedgerLineWithoutMachineTimeOrWithANegativeBillIsAFault) {
  const TestProject project;
  project.run("a", 1000, 3, "experiment");
  project.write("ledger.jsonl", "{\"run\":\"gone\",\"purpose\":\"final\"}\n{\"run\":\"a\"}\n" +
                                    line("debt", 1, ",\"usd\":-5"));
  const ProjectFacts facts = project.facts();
  ASSERT_EQ(facts.faults.size(), 2u);
  EXPECT_NE(facts.faults[0].find("core_seconds"), std::string::npos) << facts.faults[0];
  EXPECT_NE(facts.faults[1].find("usd"), std::string::npos) << facts.faults[1];
}

TEST(Project, HostileFoldersAreNamedAndTheRestIsCounted) {
  const TestProject project;
  project.run("a", 1000, 3, "final");
  project.write("bad/events.jsonl", "not json\n");
  fs::create_directories(project.folder.file("dir/events.jsonl"));
  project.write("ledger.jsonl", line("neg", -4) + line("ok", 2) + "{\"core_seconds\":1}\n[]\n" +
                                    line("words", 1, ",\"tokens\":\"many\"") + "{\"run\":\"torn");
  project.write("data/card.json", "{\"splits\":{\"train\":{\"tokens\":-5}}}");
  project.write("data2/card.json", "[]");
  const ProjectFacts facts = project.facts();
  EXPECT_NE(project.cost().sheet.at("tax").label.find(", at least"), std::string::npos);
  EXPECT_EQ(facts.runs.size(), 2u);
  ASSERT_EQ(facts.faults.size(), 8u);
  for (const auto& fault : facts.faults)
    EXPECT_NE(fault.find(project.folder.file("")), std::string::npos);
}

TEST(Project, DatesAfterTodayAreNamedInOneSentence) {
  const std::string toml =
      "[[data]]\nname = \"a\"\nusd = 1\ndate = \"2027-01-02\"\n"
      "[[tools]]\nname = \"b\"\nusd = 1\ndate = \"2026-11\"\n"
      "[[overhead]]\nname = \"c\"\nusd = 1\ndate = \"2031\"\n";
  const ProjectFile file = parse_project_file(toml, "p.toml");
  const std::string words = future_words(file, "2026-11-29");
  EXPECT_NE(words.find("data.0.date = \"2027-01-02\", overhead.0.date = \"2031\""),
            std::string::npos)
      << words;
  EXPECT_EQ(words.find("tools"), std::string::npos);
  EXPECT_EQ(future_words(file, "2031-01-01"), "");
}

TEST(Project, OneProjectOfAFolderIsCountedAlone) {
  const TestProject project;
  project.run("a", 1000, 3, "final");
  project.write("project.toml", std::string("name = \"Test\"\n") + kBill + kOthersStated);
  const auto of = [&](const std::string& name) {
    return collect_project({.folder = project.folder.file(""), .project = name});
  };
  const ProjectFacts test = of("Test");
  ASSERT_EQ(test.runs.size(), 1u);
  EXPECT_EQ(test.runs[0].name, "rented");
  const ProjectFacts other = of("default");
  ASSERT_EQ(other.runs.size(), 1u);
  EXPECT_EQ(other.runs[0].name, "a");
  EXPECT_EQ(other.file.name, "default");
  EXPECT_FALSE(other.file.people.has_value());
  EXPECT_EQ(other.remarks.size(), 1u);
  try {
    of("nosuch");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("no project \"nosuch\""), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("Test, default"), std::string::npos) << error.message;
  }
}

TEST(Project, RefusesWhatIsNoProject) {
  const TestProject project;
  const auto fault_of = [](auto body) {
    try {
      body();
    } catch (const Error& error) {
      return error.message;
    }
    return std::string();
  };
  EXPECT_NE(fault_of([&] { project.facts(); }).find("no run"), std::string::npos);
  EXPECT_NE(fault_of([&] { collect_project({.folder = project.folder.file("none")}); }), "");
  const auto file = [&](const std::string& toml) {
    return fault_of([&] { parse_project_file(toml, "p.toml"); });
  };
  EXPECT_EQ(file("[[data]]\nname = \"a\"\nusd = -1\n"),
            "p.toml:3: data.0.usd: found -1, wanted 0 to 100000000000");
  EXPECT_EQ(file("[[data]]\nname = \"a\"\namount = 1\ncurrency = \"EUR\"\n"),
            "p.toml:4: data.0.currency: found mixed currencies: EUR, wanted USD, or a rate under "
            "[exchange] (exchange.EUR = units of it for one dollar)");
  EXPECT_NE(file("[[data]]\nname = \"a\"\nusd = 1\namount = 1\n"), "");
  EXPECT_NE(file("[[data]]\nname = \"a\"\n"), "");
  EXPECT_NE(file("[[people]]\nrole = \"a\"\nusd_per_month = 1\n"), "");
  EXPECT_NE(file("machines = \"rented\"\n[[hardware]]\nname = \"pc\"\nusd = 1\n"), "");
  EXPECT_NE(file("[[data]]\nname = \"a\"\namount = 7\n").find("currency"), std::string::npos);
  EXPECT_NE(file("[exchange]\nUSD = 7\n").find("exchange.USD"), std::string::npos);
  EXPECT_NE(file("[[hardware]]\nname = \"pc\"\nusd = 100000\nyears = 1\nhours = 1e7\n")
                .find("at most 8766"),
            std::string::npos);
  for (const char* date : {"yesterday", "2099-13-45", "2026-02-30", ""}) {
    EXPECT_NE(file(std::string("[[data]]\nname = \"a\"\nusd = 1\ndate = \"") + date + "\"\n")
                  .find("YYYY"),
              std::string::npos)
        << date;
  }
  EXPECT_NE(file("[[peeple]]\nrole = \"a\"\n"), "");
}

}  // namespace
}  // namespace farthing
