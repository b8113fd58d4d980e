// receipt_check_test.cpp - our own receipt conforms; contradictions are found one by one.
#include "economics/receipt_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "config/share.h"
#include "economics/device_book.h"
#include "economics/receipt_relations.h"
#include "ledger/price_book.h"
#include "report/receipt.h"

namespace farthing {
namespace {

const std::string kToday = "2026-11-25";

Json schema() {
  set_share_folder(FARTHING_SOURCE_DIR);  // for the device book
  std::string path = FARTHING_SOURCE_DIR;
  path += "/docs/receipt.schema.json";
  return read_json(path);
}

Json v3_receipt() {
  return Json::parse(R"({"receipt": "farthing-receipt/1",
    "definitions": {"final_run": {"usd": 5576000, "low": 4739600, "high": 13940000, "basis": "rent",
      "parts": [{"name": "pre-training", "usd": 5328000}, {"name": "extension", "usd": 238000},
                {"name": "post-training", "usd": 10000}]},
      "all_runs": "not stated", "research_and_development": "not stated", "programme": "not stated",
      "amortised": "not stated"},
    "compute": {"training_flops": 3.7e24, "training_time_hours": 1361.4, "device": "H800",
      "devices": 2048, "device_hours": 2788000, "usd_per_device_hour": 2},
    "energy": {"kwh": 2927400, "basis": "estimated", "pue": 1.3}, "tokens": 14.8e12,
    "dates": {"begun": "2024-10-01", "ended": "2024-12-26"},
    "prices": [{"item": "H800 hour", "value": 2, "unit": "USD/h", "date": "2024-12",
      "source": "report"}],
    "hashes": {"weights": "not stated"}})");
}

std::string first_of(const Json& receipt) {
  const auto findings = check_receipt(receipt, schema(), kToday);
  return findings.empty() ? "" : findings[0].where + ": " + findings[0].what;
}

// The same with one place changed.
std::string with(const std::string& pointer, const Json& value) {
  Json receipt = v3_receipt();
  receipt[Json::json_pointer(pointer)] = value;
  return first_of(receipt);
}

TEST(ReceiptCheck, AnyonesReceiptMayBeValid) { EXPECT_EQ(first_of(v3_receipt()), ""); }

// Of two cores, or of two devices of a simulation.
RunHistory run_history(const std::string& device = "") {
  const std::string simulated =
      device.empty() ? "" : "\"simulated\":true,\"device\":\"" + device + "\",";
  const std::string events =
      "{\"time_unix\":1700000000,\"t_monotonic\":0,\"attempt\":1,\"rank\":0,\"kind\":\"run_start\","
      "\"n_threads\":2," +
      simulated +
      "\"precision\":\"fp32\",\"fp32_peak_flops\":3e11,"
      "\"recipe_hash\":\"0123456789abcdef0123456789abcdef\"}\n"
      "{\"time_unix\":1700000100,\"t_monotonic\":100,\"attempt\":1,\"rank\":0,\"kind\":\"step\","
      "\"step\":1,"
      "\"tokens\":1000,\"step_tokens\":1000,\"loss\":3,\"model_flops\":1e12,\"seconds\":{"
      "\"compute\":90}}\n";
  return parse_history(events, "e");
}

// One of this program, of a run on two cores.
Json own_receipt(const char* purpose = "final") {
  ReportInput input;
  input.name = "r", input.run.purpose = purpose;
  input.history = run_history();
  input.book = load_price_book(std::string(FARTHING_SOURCE_DIR) + "/prices/default.toml");
  return Json::parse(to_json(make_receipt(input)).dump());
}

// Errors alone, a line each.
std::string errors_of(const Json& receipt) {
  std::string lines;
  for (const auto& finding : check_receipt(receipt, schema(), kToday)) {
    if (!finding.is_warning) lines += finding.where + ": " + finding.what + "\n";
  }
  return lines;
}

TEST(ReceiptCheck, OurOwnReceiptConforms) {
  for (const char* purpose : {"final", "experiment"}) {
    const Json receipt = own_receipt(purpose);
    EXPECT_EQ(errors_of(receipt), "");
    EXPECT_EQ(receipt.at("definitions").at("final_run").is_object(),
              std::string(purpose) == "final");
    EXPECT_EQ(receipt.at("dates").at("begun"), "2023-11-14");
  }
}

// Each figure altered alone, by half and by one part in a hundred.
TEST(ReceiptCheck, EveryFigureThatFollowsFromOthersIsHeldToThem) {
  const Json receipt = own_receipt();
  for (const char* pointer : {"/tokens",
                              "/tokens_per_second",
                              "/model_flops",
                              "/seconds/compute",
                              "/seconds/total",
                              "/core_seconds",
                              "/joules",
                              "/usd/total",
                              "/usd/by_category/compute",
                              "/usd/rented",
                              "/usd/owned",
                              "/usd/depreciation",
                              "/usd/electricity",
                              "/usd/per_million_tokens",
                              "/farthings",
                              "/price/rent/value",
                              "/price/machine/value",
                              "/price/machine/years",
                              "/price/power/value",
                              "/price/cooling/value",
                              "/price/electricity/value",
                              "/price/sterling/value",
                              "/share_of_fp32_peak",
                              "/fp32_peak_flops",
                              "/compute/training_flops",
                              "/compute/training_time_hours",
                              "/compute/device_hours",
                              "/compute/usd_per_device_hour",
                              "/energy/kwh",
                              "/energy/pue",
                              "/prices/0/value",
                              "/definitions/final_run/usd"}) {
    for (const double factor : {0.5, 1.02}) {
      Json forged = receipt;
      Json& place = forged[Json::json_pointer(pointer)];
      place = place.get<double>() * factor;
      EXPECT_NE(errors_of(forged), "") << pointer << " times " << factor;
    }
  }
}

TEST(ReceiptCheck, AContradictionNamesBothFiguresAndTheirValues) {
  Json forged = own_receipt();
  forged["tokens_per_second"] = 11;
  EXPECT_EQ(errors_of(forged),
            "/tokens_per_second: 11, but tokens (1000) / seconds.total (100) is 10\n");
  forged = own_receipt();
  forged["usd"]["owned"] = 1;
  EXPECT_NE(errors_of(forged).find("/usd/owned: 1, but usd.depreciation ("), std::string::npos);
  forged = own_receipt();
  forged["energy"]["basis"] = "measured";
  EXPECT_NE(errors_of(forged).find("but joules_estimated is true"), std::string::npos);
  forged = own_receipt();
  forged["weights_hash"] = "00000000000000000000000000000000";
  forged["hashes"]["weights"] = "xxh3-128:10000000000000000000000000000000";
  EXPECT_NE(errors_of(forged).find("but weights_hash is"), std::string::npos);
}

TEST(ReceiptCheck, ImpossibleFiguresAreRefused) {
  const auto forged = [](const char* pointer, const Json& value) {
    Json receipt = own_receipt();
    receipt[Json::json_pointer(pointer)] = value;
    return errors_of(receipt);
  };
  EXPECT_EQ(forged("/steps", -1), "/steps: found -1, wanted at least 0\n");
  EXPECT_EQ(forged("/steps", 1.5),
            "/steps: found 1.5, wanted an integer, null or \"not stated\"\n");
  EXPECT_NE(forged("/steps", 2000).find("0.5 tokens a step, wanted at least 1"), std::string::npos);
  EXPECT_NE(forged("/seconds/eval", -3).find("at least 0"), std::string::npos);
  EXPECT_NE(forged("/price/rent/value", -3).find("at least 0"), std::string::npos);
  EXPECT_NE(forged("/price/rent/confidence", "sure").find("one of"), std::string::npos);
  EXPECT_NE(forged("/prices/0/confidence", "very high").find("one of"), std::string::npos);
  EXPECT_NE(forged("/origin", "bought").find("one of"), std::string::npos);
  EXPECT_NE(forged("/share_of_fp32_peak", 1.4).find("wanted 0 to 1.25"), std::string::npos);
  Json fast = own_receipt();  // ten times the work in the same time, told consistently
  for (const char* key : {"fp32_peak_flops", "precision"}) fast.erase(key);
  fast["share_of_fp32_peak"] = 20;
  EXPECT_NE(errors_of(fast).find("wanted 0 to 16"), std::string::npos);
}

TEST(ReceiptCheck, WhatIsLeftOutOrRoundedIsNoContradiction) {
  const Json receipt = own_receipt();
  for (const char* key :
       {"origin", "steps", "model_flops", "seconds", "core_seconds", "attempts", "joules",
        "joules_estimated", "usd", "farthings", "price", "tokens_per_second", "precision",
        "fp32_peak_flops", "share_of_fp32_peak", "weights_hash"}) {
    Json less = receipt;
    less.erase(key);
    EXPECT_EQ(errors_of(less), "") << key;
  }
  for (const char* format : {"%.3g", "%.4g", "%.6g"}) {  // as somebody would print it
    Json rounded = receipt;
    for (Json& value : {std::ref(rounded["usd"]), std::ref(rounded["compute"])}) {
      for (auto& [key, figure] : value.items()) {
        if (!figure.is_number_float()) continue;
        char text[40];
        std::snprintf(text, sizeof text, format, figure.get<double>());
        figure = std::atof(text);
      }
    }
    EXPECT_EQ(errors_of(rounded), "") << format;
  }
}

TEST(ReceiptCheck, AHashSaysItsAlgorithm) {
  const std::string digits = "0123456789abcdef0123456789abcdef";
  const std::string sha256 = digits + digits;
  for (const std::string& good :
       {digits, "xxh3-128:" + digits, "sha256:" + sha256, std::string("crc32c:0badcafe")}) {
    EXPECT_EQ(with("/hashes/weights", good), "") << good;
  }
  for (const std::string& bad :
       {sha256, std::string("yes"), std::string("sha256:"), "sha256: " + digits,
        std::string("trust me: it is fine"), "sha256:" + std::string(5000, 'a')}) {
    EXPECT_NE(with("/hashes/weights", bad).find("of the form"), std::string::npos) << bad;
  }
  EXPECT_NE(with("/hashes/weights", "sha256:" + digits).find("32 digits, sha256 has 64"),
            std::string::npos);
}

TEST(ReceiptCheck, FindsWhatContradictsItself) {
  EXPECT_EQ(with("/definitions/final_run/usd", 5.8e6),
            "/definitions/final_run/usd: 5.8e+06, but the sum "
            "of its parts is 5.576e+06");
  EXPECT_NE(with("/definitions/all_runs", Json{{"usd", 1e6}, {"basis", "x"}}).find("part of it"),
            std::string::npos);
  EXPECT_NE(with("/definitions/final_run/low", 6e6).find("above"), std::string::npos);
  EXPECT_NE(with("/definitions/programme", Json{{"usd", 0}, {"basis", "x"}}).find("not known"),
            std::string::npos);
  EXPECT_EQ(with("/compute/usd_per_device_hour", 2.1),
            "/definitions/final_run/usd: 5.576e+06, but compute.device_hours (2788000) x "
            "compute.usd_per_device_hour (2.1) is 5.8548e+06");
  EXPECT_NE(with("/compute/devices", 1024).find("hours of a device in an hour"), std::string::npos);
  EXPECT_NE(with("/compute/training_flops", 1e30)
                .find("FLOP/s of one H800, by its sheet, wanted 0 to "
                      "1.979e+15"),
            std::string::npos);
  EXPECT_NE(with("/energy/kwh", 2927).find("W a device"), std::string::npos);
  EXPECT_NE(with("/energy/kwh", 2.9e9).find("W a device"), std::string::npos);
  EXPECT_NE(with("/prices/0/unit", "CNY/h").find("found CNY/h, wanted USD"), std::string::npos);
  EXPECT_EQ(with("/prices/0/unit", "CNY/USD"), "");
  EXPECT_NE(with("/dates/ended", "2024-10-20").find("days from"), std::string::npos);
  EXPECT_NE(with("/dates/ended", "2023-10-20").find("before it began"), std::string::npos);
  EXPECT_NE(with("/energy/pue", 0.9).find("at least 1"), std::string::npos);
  EXPECT_NE(with("/prices/0/date", "2022-01").find("for a run that ended"), std::string::npos);
}

// usd.total is the run's: what nothing but the rent explains is held to it.
TEST(ReceiptCheck, ATotalIsTheHoursAtTheRent) {
  Json receipt = v3_receipt();
  receipt["price"] = {{"rent", {{"value", 2}}}};
  receipt["usd"] = {{"total", 5576000}, {"by_category", {{"compute", 5576000}}}};
  EXPECT_EQ(errors_of(receipt), "");
  receipt["usd"]["total"] = 7000000, receipt["usd"]["by_category"]["compute"] = 7000000;
  const std::string wrong =
      "/usd/total: 7e+06, but compute.device_hours (2788000) x price.rent.value (2) is 5.576e+06\n";
  EXPECT_EQ(errors_of(receipt), wrong);
  receipt["price"]["basis"] = "rent";
  EXPECT_EQ(errors_of(receipt), wrong);
  receipt["purpose"] = "final";
  EXPECT_NE(
      errors_of(receipt).find("/definitions/final_run/usd: 5.576e+06, but usd.total (7000000)"),
      std::string::npos);
  receipt["price"]["basis"] = "own";  // an owner's total is no rent
  EXPECT_EQ(errors_of(receipt), "");
  receipt.erase("price");
  EXPECT_NE(errors_of(receipt).find("x compute.usd_per_device_hour (2)"), std::string::npos);
}

// By cores owned, and by devices rented on demand and on spot capacity.
TEST(ReceiptCheck, OwnedAndSpotReceiptsConform) {
  set_share_folder(FARTHING_SOURCE_DIR);
  for (const char* device : {"", "h800"}) {
    for (const bool other : {false, true}) {
      ReportInput input;
      input.name = "r", input.run.purpose = "final";
      input.history = run_history(device);
      RunPrices wanted{.device = device};
      wanted.site.spot = other;
      input.book = load_run_book(wanted);
      input.book.is_owned = other && wanted.device.empty();
      EXPECT_EQ(errors_of(Json::parse(to_json(make_receipt(input)).dump())), "") << device << other;
    }
  }
}

TEST(ReceiptCheck, FiguresThatStandAloneAreNamed) {
  set_share_folder(FARTHING_SOURCE_DIR);
  EXPECT_EQ(unheld_figures(v3_receipt()),
            (std::vector<std::string>{"definitions.final_run.low", "definitions.final_run.high",
                                      "compute.training_flops", "compute.training_time_hours",
                                      "compute.devices", "energy.kwh", "energy.pue", "tokens",
                                      "prices.0.value"}));
  Json receipt = v3_receipt();
  receipt["usd"]["total"] = 5576000;
  receipt["compute"]["device_hours"] = "not stated";
  const auto alone = unheld_figures(receipt);
  EXPECT_NE(std::find(alone.begin(), alone.end(), "usd.total"), alone.end());
  const auto of_ours = unheld_figures(own_receipt());
  for (const char* figure : {"attempts", "final_loss", "steps"}) {
    EXPECT_NE(std::find(of_ours.begin(), of_ours.end(), figure), of_ours.end()) << figure;
  }
  for (const char* figure : {"tokens", "usd.total", "usd.by_category.lost", "joules"}) {
    EXPECT_EQ(std::find(of_ours.begin(), of_ours.end(), figure), of_ours.end()) << figure;
  }
}

TEST(ReceiptCheck, AbsurdFiguresAreRefused) {
  const Json receipt = own_receipt();
  const auto forged = [&](const char* pointer, double value) {
    Json other = receipt;
    other[Json::json_pointer(pointer)] = value;
    return errors_of(other);
  };
  EXPECT_NE(forged("/val_bits_per_byte", 1e9).find("bits a byte, wanted 0 to 100"),
            std::string::npos);
  EXPECT_NE(forged("/final_loss", 1e9).find("nats a token, wanted 0 to 100"), std::string::npos);
  EXPECT_NE(forged("/attempts", 0).find("attempts of a run, wanted 1"), std::string::npos);
  EXPECT_NE(forged("/steps", 0).find("steps a token"), std::string::npos);
  EXPECT_NE(forged("/compute/devices", 7).find("hours of a device in an hour"), std::string::npos);
  EXPECT_EQ(forged("/compute/devices", 2), "");
}

TEST(ReceiptCheck, ACategoryCostsItsShareOfTheTime) {
  Json receipt = own_receipt();
  const double moved = receipt["usd"]["by_category"]["compute"].get<double>() / 2;
  receipt["usd"]["by_category"]["compute"] = moved;
  receipt["usd"]["by_category"]["lost"] = moved;  // the sum is what it was
  EXPECT_NE(errors_of(receipt).find("/usd/by_category/lost"), std::string::npos);
  EXPECT_NE(errors_of(receipt).find("/usd/by_category/compute"), std::string::npos);
  receipt["attempts"] = 2;  // perhaps of other numbers of cores; nothing was lost in no time
  EXPECT_NE(errors_of(receipt).find("/usd/by_category/lost"), std::string::npos);
  EXPECT_EQ(errors_of(receipt).find("/usd/by_category/compute"), std::string::npos);
}

TEST(ReceiptCheck, DefinitionsHoldTheirPartsAndNoOthers) {
  Json receipt = v3_receipt();
  receipt["definitions"]["programme"] = {{"usd", 8e6}, {"basis", "x"}};
  receipt["definitions"]["amortised"] = {{"usd", 9e6}, {"basis", "x"}};
  EXPECT_NE(errors_of(receipt).find("less than amortised 9e+06"), std::string::npos);
  receipt = v3_receipt();
  receipt["definitions"]["all_runs"] =
      Json::parse(R"({"usd": 6e6, "basis": "x", "parts": [{"name": "final run", "usd": 5.576e6},
                      {"name": "people", "usd": 424000}]})");
  EXPECT_EQ(errors_of(receipt),
            "/definitions/all_runs/parts/1: \"people\" is no part of all_runs (farthing cost "
            "explain)\n");
  receipt["definitions"]["research_and_development"] = receipt["definitions"]["all_runs"];
  receipt["definitions"]["all_runs"] = "not stated";
  EXPECT_EQ(errors_of(receipt), "");
}

TEST(ReceiptCheck, NoDeviceIsFasterThanItsSheet) {
  EXPECT_EQ(with("/compute/training_flops", 1.9e25), "");  // 1.89e15 a device and second
  for (const char* device : {"H800", "h800", "NVIDIA H800 SXM"}) {
    Json receipt = v3_receipt();
    receipt["compute"]["training_flops"] = 2e25;
    receipt["compute"]["device"] = device;
    EXPECT_NE(errors_of(receipt).find("by its sheet, wanted 0 to 1.979e+15"), std::string::npos)
        << device;
    receipt["compute"]["device"] = "a device of 2030";
    EXPECT_EQ(errors_of(receipt), "") << device;
    receipt["compute"]["training_flops"] = 2e27;
    EXPECT_NE(errors_of(receipt).find("wanted 0 to 1e+17"), std::string::npos);
  }
}

TEST(ReceiptCheck, WhatIsToComeHasNotHappened) {
  EXPECT_NE(with("/dates/ended", "2027-01-01").find("2027-01-01, a date to come"),
            std::string::npos);
  EXPECT_EQ(with("/dates/begun", "2024-09-01"), "");
  Json acted = v3_receipt();
  acted["origin"] = "simulated";  // it has no clock of its own
  acted["dates"]["ended"] = "2027-01-01";
  EXPECT_EQ(errors_of(acted), "");
  Json ahead = v3_receipt();
  ahead["prices"][0]["date"] = "2030";
  EXPECT_EQ(errors_of(ahead), "");  // a warning
  EXPECT_EQ(first_of(ahead), "/prices/0/date: 2030, a date to come");
}

TEST(ReceiptCheck, OneTokenTeachesNothing) {
  EXPECT_NE(with("/tokens", 1).find("beside FLOPs of training"), std::string::npos);
}

TEST(ReceiptCheck, AKeyThatIsNotOfTheSchemaIsNamed) {
  EXPECT_EQ(with("/definitons", Json::object()),
            "/definitons: not of the schema, not checked: did you mean definitions?");
  EXPECT_EQ(with("/$schema", "x"), "");
  for (const auto& finding : check_receipt(own_receipt(), schema(), kToday)) {
    EXPECT_EQ(finding.what.find("not of the schema"), std::string::npos) << finding.where;
  }
}

TEST(ReceiptCheck, ZeroIsNotUnknownAndACostHasAPrice) {
  EXPECT_NE(with("/compute/training_flops", 0).find("what is not known"), std::string::npos);
  EXPECT_NE(with("/tokens", 0).find("what is not known"), std::string::npos);
  EXPECT_NE(with("/prices", Json::array()).find("none, beside usd_per_device_hour"),
            std::string::npos);
  EXPECT_NE(with("/prices/0", Json{{"item", "H800"},
                                   {"value", 20},
                                   {"unit", "USD/h"},
                                   {"date", "2024-12"},
                                   {"source", "x"}})
                .find("prices.0.value (20)"),
            std::string::npos);
}

TEST(ReceiptCheck, AReceiptWithoutPriceOrWattsConformsToo) {
  ReportInput input;
  input.name = "r";
  input.history = parse_history(
      "{\"time_unix\":1700000000,\"t_monotonic\":0,\"attempt\":1,\"rank\":0,\"kind\":\"run_start\","
      "\"n_threads\":8,\"imported\":true,\"device\":\"not stated\"}\n"
      "{\"time_unix\":1700000100,\"t_monotonic\":100,\"attempt\":1,\"rank\":0,\"kind\":\"step\","
      "\"step\":1,\"tokens\":1000,\"step_tokens\":1000,\"loss\":3,\"model_flops\":1e12,"
      "\"seconds\":{\"compute\":90}}\n",
      "e");
  set_share_folder(FARTHING_SOURCE_DIR);
  input.book = load_run_book({.device = "not stated"});
  const Json receipt = Json::parse(to_json(make_receipt(input)).dump());
  for (const auto& finding : check_receipt(receipt, schema(), kToday)) {
    EXPECT_TRUE(finding.is_warning) << finding.where << " " << finding.what;
  }
  input.book = load_run_book({.device = "not stated", .rent = 1.0});  // given by hand, without date
  for (const auto& finding :
       check_receipt(Json::parse(to_json(make_receipt(input)).dump()), schema(), kToday)) {
    EXPECT_TRUE(finding.is_warning) << finding.where << " " << finding.what;
  }
}

TEST(ReceiptCheck, FindsWhatHasNotTheForm) {
  EXPECT_EQ(with("/receipt", "farthing-receipt/2"),
            "/receipt: found \"farthing-receipt/2\", wanted \"farthing-receipt/1\"");
  EXPECT_EQ(with("/tokens", "many"), "/tokens: found \"many\", wanted a number or \"not stated\"");
  EXPECT_EQ(with("/compute/training_flops", "lots"),
            "/compute/training_flops: found \"lots\", wanted a number or \"not stated\"");
  EXPECT_EQ(with("/definitions/final_run", 5576000),
            "/definitions/final_run: found 5576000, wanted an object {usd, basis} or \"not "
            "stated\"");
  EXPECT_EQ(with("/tokens", -1), "/tokens: found -1, wanted at least 0");
  EXPECT_EQ(with("/definitions/cheap", 1), "/definitions/cheap: unknown key");
  EXPECT_NE(with("/definitions/programme", nullptr), "");
  EXPECT_NE(with("/definitions/programme", Json{{"usd", 1}}).find("basis: missing"),
            std::string::npos);
  EXPECT_NE(with("/prices", Json::array({1})), "");
  EXPECT_NE(with("/dates/begun", "yesterday!"), "");
  for (const char* text : {"[]", "3", "null", "{}", "\"x\""}) {
    EXPECT_NE(first_of(Json::parse(text)), "") << text;
  }
}

TEST(Schema, RefusesWhatItWouldNotCheck) {
  EXPECT_THROW(check_schema(1, Json{{"multipleOf", 2}}), Error);
  EXPECT_THROW(check_schema(1, Json{{"$ref", "#/$defs/none"}}), Error);
  EXPECT_THROW(check_schema(1, Json{{"type", 3}}), Error);
  const Json circle =
      Json::parse(R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})");
  EXPECT_THROW(check_schema(1, circle), Error);
}

}  // namespace
}  // namespace farthing
