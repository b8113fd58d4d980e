// cost_serve.cpp - farthing cost serve MODEL --cluster C: dollars per million tokens, margin,
// lifetime.
#include <fmt/core.h>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/price_list.h"
#include "economics/serving_answer.h"

namespace farthing {
namespace {

struct ServeOptions {
  std::string model, cluster = "h800-2048";
  ServeQuestion question;
  double rent = -1, load = -1;
  std::string input, output;  // tokens a day
  CostOutput cost;
};

void serve_command(ServeOptions options) {
  ServeQuestion& question = options.question;
  question.shape = load_model_shape(options.model);
  question.cluster = load_cluster(options.cluster);
  if (!options.input.empty()) {
    question.load.input_tokens_per_day =
        value_from_zero(options.input, Dimension::kCount, "--input");
  }
  if (!options.output.empty()) {
    question.load.output_tokens_per_day =
        value_from_zero(options.output, Dimension::kCount, "--output");
  }
  if (question.load.input_tokens_per_day + question.load.output_tokens_per_day == 0) {
    throw_wrong_use({"--input, --output", "0 in and 0 out", "", "tokens to serve, in or out", ""});
  }
  const bool measured = question.measured.prefill > 0 && question.measured.decode > 0;
  if (options.load >= 0 || measured) question.load.load = options.load >= 0 ? options.load : 1;
  if (options.rent >= 0) {
    question.prices.usd_per_device_hour = options.rent;
    question.rent_source = "--rent";
  } else {
    const PriceList prices = load_price_list(options.cost.prices);
    const PriceEntry& entry = device_price(prices, question.cluster.device.name, "on-demand");
    question.prices.usd_per_device_hour = entry.value;
    question.rent_source = describe(entry);
    if (const auto old = staleness(entry, today())) question.warnings.push_back(*old);
  }
  fill_prices(load_price_list(), question);
  const ServeAnswer answer = answer_serving(question);
  if (!options.cost.html.empty())
    write_page(options.cost.html, serving_page(answer), options.cost.json);
  if (options.cost.json) {
    print_json(to_json(answer));
  } else if (options.cost.html.empty()) {
    std::cout << to_text(answer);
  }
}

void add_cost_serve(Command& app) {
  auto options = std::make_shared<ServeOptions>();
  Command* serve = cost_command(app).add_subcommand(
      "serve", "dollars per million tokens, margin, train and serve");
  ServeQuestion& q = options->question;
  q.prices.input_usd = q.prices.hit_usd = q.prices.output_usd = kNotStated;
  serve->add_option("model", options->model, "a name under models/, a config.json")->required();
  serve->add_option("--cluster", options->cluster, "a name under clusters/, or a file");
  serve->add_option("--rent", options->rent, "USD per device-hour; else from the price list")
      ->range(1e-4, 1e6);
  serve->add_option("--input", options->input, "tokens in a day, as 608B");
  serve->add_option("--output", options->output, "tokens out a day, as 168B");
  serve->add_option("--hits", q.load.hit_share, "share of the input found in a cache")
      ->range(0.0, 1.0);
  serve->add_option("--context", q.load.context, "mean tokens in the cache while decoding")
      ->range(1.0, 1e8);
  serve->add_option("--prompt", q.load.prompt, "tokens of a prefill")->range(1.0, 1e8);
  serve->add_option("--reader-speed", q.load.tokens_per_second_reader, "tokens a second, at least")
      ->range(0.0, 1e5);
  serve
      ->add_option("--tokens-per-step", q.load.tokens_per_step,
                   "above 1 with accepted drafts (MTP)")
      ->range(1.0, 16.0);
  serve->add_option("--weight-bytes", q.load.bytes_per_weight, "1: FP8, 2: BF16, 0.5: 4-bit")
      ->range(0.25, 4.0);
  serve->add_option("--cache-bytes", q.load.bytes_per_cache_value, "of a cached value")
      ->range(0.25, 4.0);
  serve
      ->add_option("--load", options->load,
                   "of the saturated throughput that is had; 1 if measured")
      ->range(0.001, 1.0);
  serve
      ->add_option("--prefill-rate", q.measured.prefill,
                   "measured tokens/s of a node, hits included")
      ->range(1e-6, 1e12);
  serve->add_option("--decode-rate", q.measured.decode, "measured tokens/s of a node")
      ->range(1e-6, 1e12);
  serve->add_option("--price-in", q.prices.input_usd, "USD per million tokens in")->range(0.0, 1e6);
  serve->add_option("--price-hit", q.prices.hit_usd, "USD per million tokens found in the cache")
      ->range(0.0, 1e6);
  serve->add_option("--price-out", q.prices.output_usd, "USD per million tokens out")
      ->range(0.0, 1e6);
  serve
      ->add_option("--train-usd", q.train_usd,
                   "what training this model cost; 0: weights given away")
      ->range(0.0, 1e12);
  serve->add_option("--months", q.months, "of its life")->range(0.1, 1200.0);
  serve->add_option("--rival-train-usd", q.rival.train_usd, "another model's training")
      ->range(0.0, 1e12);
  serve
      ->add_option("--rival-serve-usd", q.rival.serve_usd_per_million,
                   "and its serving, per million tokens of the mix")
      ->range(0.0, 1e6);
  serve
      ->add_option("--api-usd", q.api_usd_per_million,
                   "an API's price per million tokens of the mix")
      ->range(1e-6, 1e6);
  add_cost_output(*serve, options->cost, true);
  set_example(*serve, "farthing cost serve deepseek-v3 --cluster h800-2048 --rent 2");
  serve->callback([options] { serve_command(*options); });
}

const CommandRegistration kCostServe{add_cost_serve, kCostOrder};

}  // namespace
}  // namespace farthing
