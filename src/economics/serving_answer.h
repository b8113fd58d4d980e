// serving_answer.h - a question about serving a model answered: rates, dollars, margin, lifetime,
// API.
//
// Without a measured rate the roofline of economics/serving.h is used, scaled by `load`; beside it
// stands what the same roofline says of DeepSeek's published day, and by how much it is wrong.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "economics/page.h"
#include "economics/price_list.h"
#include "economics/serving.h"

namespace farthing {

struct ServeQuestion {
  ModelShape shape;
  Cluster cluster;
  ServeLoad load;
  ServePrices prices;
  std::string rent_source;
  std::string price_source;  // of the published prices in `prices`; empty: they are the reader's
  std::vector<std::string> warnings;                                     // of the prices: old ones
  ServeRate measured{.prefill = 0, .decode = 0, .devices_per_node = 8};  // 0: predict
  double train_usd = kNotStated;  // NaN is not 0: weights that are given away cost 0
  double months = 12;
  // Either is NaN where nobody stated it; both: no other model.
  Offer rival{.name = {}, .train_usd = kNotStated, .serve_usd_per_million = kNotStated};
  double api_usd_per_million = 0;  // 0: none
};

struct ServeAnswer {
  ServeQuestion question;
  PhaseRate prefill, decode;  // predicted; devices 0 where both were measured
  ServeRate rate;             // of a node, what the money is computed from (before `load`)
  ServeDay day;
  double mix_usd_per_million = 0;   // serving, of input and output together
  double busy_usd_per_million = 0;  // the same where the least devices are full
  double lifetime_tokens = 0;
  Offer own;
  double crossover_tokens = 0;   // NaN: never, no rival, or a part of the four is not stated
  double api_break_even = 0;     // tokens a day; NaN: never, no API, or training is not stated
  double api_serving_alone = 0;  // the same with training apart
  double floor_devices = 0;  // that stand day and night: the smallest instance; measured, a node
  // The published day: predicted over published, minus one.
  double prefill_error = 0, decode_error = 0;
  double sglang_prefill_error = 0, sglang_decode_error = 0;
  double profile_prefill_error = 0, profile_decode_error = 0;  // at the profile's own conditions
  // DeepSeek's profile over its day, as published: what is lost between full load and production.
  double profile_over_day_prefill = 0, profile_over_day_decode = 0;
  double day_nodes = 0, day_nodes_published = 0;  // that its tokens fill at its rates; its mean
  // The day's decode at its own instance and its own mean batch: predicted and had, seconds.
  double day_sequences = 0, day_step = 0, day_step_predicted = 0, day_sequences_predicted = 0;
};

// What is not given, at the list's "MODEL/api-in", "/api-hit" and "/api-out"; of a model that it
// does not price it stays NaN, but a hit, which without its own price is charged as any token in.
void fill_prices(const PriceList& list, ServeQuestion& question);

ServeAnswer answer_serving(const ServeQuestion& question);
// The roofline against DeepSeek's day on H800 and SGLang's deployment on H100.
void judge_prediction(ServeAnswer& answer, const ModelShape& v3, const Cluster& h800,
                      const Cluster& h100);

// A device of the cluster book in the price list: its name, or with -sxm, -sxm-80.
// Errors: Error{kBadInput} where the list has no such price.
const PriceEntry& device_price(const PriceList& prices, const std::string& device,
                               const std::string& kind);
const PriceEntry* find_device_price(const PriceList& prices, const std::string& device,
                                    const std::string& kind);

std::string to_text(const ServeAnswer& answer);
Json to_json(const ServeAnswer& answer);
MoneyPage serving_page(const ServeAnswer& answer);

// serving_life.cpp: over the model's life, beside another model and an API, in words, as lines of
// the page's sheet and as its section.  Whole bills are compared where every part is stated;
// else serving alone, and the sentence says so.
std::vector<std::string> lifetime_words(const ServeAnswer& answer);
void add_life_lines(const ServeAnswer& answer, Sheet& sheet);
void add_life(const ServeAnswer& answer, MoneyPage& page);
std::string devices_words(double n);  // "1 device", "8 devices"

}  // namespace farthing
