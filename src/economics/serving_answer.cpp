// serving_answer.cpp - the answer as values, text, JSON and a page.
#include "economics/serving_answer.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/calendar.h"
#include "base/error.h"
#include "economics/scenario.h"
#include "report/table.h"

namespace farthing {
namespace {

std::string figure(double value, const char* unit) { return format_figure(value, unit); }

// A day of the devices that stand whatever the traffic.
double floor_usd(const ServeAnswer& answer) {
  return answer.floor_devices * 24 * answer.question.prices.usd_per_device_hour;
}

Table rates_table(const ServeAnswer& answer) {
  Table table{
      .headings = {"predicted, saturated", "devices", "sequences", "tokens/s a device", "bound by"},
      .rows = {}};
  const auto add = [&](const char* what, const PhaseRate& rate, const std::string& sequences) {
    if (rate.devices == 0) return;
    table.rows.push_back({what, std::to_string(rate.devices), sequences,
                          figure(rate.tokens_per_second, ""), rate.bound});
  };
  add("prefill of what is not cached", answer.prefill, "-");
  add("decode", answer.decode, fmt::format("{:.0f}", answer.decode.sequences));
  return table;
}

Table money_table(const ServeAnswer& answer) {
  const ServeDay& day = answer.day;
  return {
      .headings = {},
      .rows = {{"a million tokens in, hits included", figure(day.usd_per_million_input, "USD")},
               {"a million tokens in that are not cached", figure(day.usd_per_million_miss, "USD")},
               {"a million tokens out", figure(day.usd_per_million_output, "USD")},
               {"a million tokens of the mix", figure(answer.mix_usd_per_million, "USD")},
               {"nodes for prefill", figure(day.prefill_nodes, "")},
               {"nodes for decode", figure(day.decode_nodes, "")},
               {"the least: " + devices_words(answer.floor_devices) + " for a day",
                figure(floor_usd(answer), "USD")},
               {"cost of a day", figure(day.cost_usd, "USD")},
               {"revenue of a day at these prices", figure(day.revenue_usd, "USD")},
               {"profit over cost", figure(100 * day.cost_profit, "%")},
               {"gross margin", figure(100 * day.gross_margin, "%")}}};
}

// Predicted over the day = profile over the day * predicted over the profile * the rest, which is
// what the prediction itself takes off for the day's conditions.
std::string parts_words(const ServeAnswer& answer) {
  const double prefill = (1 + answer.prefill_error) / answer.profile_over_day_prefill /
                         (1 + answer.profile_prefill_error);
  const double decode = (1 + answer.decode_error) / answer.profile_over_day_decode /
                        (1 + answer.profile_decode_error);
  return fmt::format(
      "Its parts, prefill and decode: DeepSeek's own profile at full load, experts balanced by "
      "simulation, is {:.2f} and {:.2f} times its day: imbalance, quiet hours, unequal lengths "
      "and caches on the move together, which nothing published parts further.  This prediction "
      "is {:.2f} and {:.2f} times that profile at the profile's conditions: its error proper, of "
      "which the decode's holds the verifying of drafts, if SGLang reads that profile rightly.  "
      "For the day's imbalance, cached prefixes and contexts the prediction itself takes off "
      "{:.0f} "
      "and {:.0f} %.",
      answer.profile_over_day_prefill, answer.profile_over_day_decode,
      1 + answer.profile_prefill_error, 1 + answer.profile_decode_error, 100 * (1 - prefill),
      100 * (1 - decode));
}

std::vector<std::string> error_words(const ServeAnswer& answer) {
  const double load = answer.question.load.load;
  return {
      fmt::format(
          "How good is the prediction: saturated, it gives {:+.0f} % for the prefill and {:+.0f} % "
          "for the decode of DeepSeek's published day, {:+.0f} % and {:+.0f} % for SGLang's "
          "deployment on 96 H100. It knows the exchange of experts, their imbalance and kernels' "
          "shares; it does not know scheduling on the host, unequal lengths in a batch, caches on "
          "the move or instances between bursts.",
          100 * answer.prefill_error, 100 * answer.decode_error, 100 * answer.sglang_prefill_error,
          100 * answer.sglang_decode_error),
      fmt::format(
          "DeepSeek's rates are means over every node-hour that it held: its tokens at them fill "
          "{:.1f} nodes, the mean that it published is {:.2f}.  Quiet hours and half-full "
          "instances "
          "are in them, so that this difference is error and idle time together.  SGLang's were "
          "taken at full load: theirs is error alone.",
          answer.day_nodes, answer.day_nodes_published),
      parts_words(answer),
      fmt::format(
          "Where the decode's error lies: the day's own rate and speed mean {:.0f} sequences on a "
          "device, the prediction fills {:.0f}, DeepSeek's profile 128. With {:.0f} on 144 devices "
          "a "
          "step would take {:.1f} ms here and took {:.1f}: {:.0f} % of it is not in the roofline.",
          answer.day_sequences, answer.day_sequences_predicted, answer.day_sequences,
          1e3 * answer.day_step_predicted, 1e3 * answer.day_step,
          100 * (1 - answer.day_step_predicted / answer.day_step)),
      fmt::format("{:.0f} % of it is charged (--load); with that share the published day's "
                  "throughput would be off by {:+.0f} % (prefill) and {:+.0f} % (decode). From its "
                  "own throughput its money comes out within 1 % (farthing cost scenario "
                  "deepseek-day).",
                  100 * load, 100 * (load * (1 + answer.prefill_error) - 1),
                  100 * (load * (1 + answer.decode_error) - 1))};
}

// Whose traffic this is, and whether the cluster and the traffic are of a size.
bool is_usual_traffic(const ServeLoad& load) {
  const ServeLoad usual;
  return load.input_tokens_per_day == usual.input_tokens_per_day &&
         load.output_tokens_per_day == usual.output_tokens_per_day;
}

std::string usual_traffic_words(const ServeLoad& load) {
  return fmt::format(
      "Traffic: {} tokens in and {} out a day, DeepSeek's published day (--input, --output).",
      figure(load.input_tokens_per_day, ""), figure(load.output_tokens_per_day, ""));
}

std::vector<std::string> traffic_words(const ServeAnswer& answer) {
  const ServeQuestion& question = answer.question;
  std::vector<std::string> lines;
  if (is_usual_traffic(question.load)) lines.push_back(usual_traffic_words(question.load));
  const double nodes = answer.day.prefill_nodes + answer.day.decode_nodes;
  const double had = question.cluster.nodes.value;
  if (nodes > had) {
    lines.push_back(fmt::format("This traffic needs {} nodes; {} has {}: the money is of {} nodes.",
                                figure(nodes, ""), question.cluster.name, figure(had, ""),
                                figure(nodes, "")));
  }
  if (answer.day.cost_usd > answer.day.used_usd) {
    lines.push_back(
        fmt::format("This traffic fills {} of devices a day; the smallest instance, {}, costs {} "
                    "and is charged in full.",
                    figure(answer.day.used_usd, "USD"), devices_words(answer.floor_devices),
                    figure(floor_usd(answer), "USD")));
  }
  return lines;
}

// Whose prices the revenue is at.
std::vector<std::string> price_words(const ServeQuestion& question) {
  const ServePrices& prices = question.prices;
  if (std::isnan(prices.input_usd) || std::isnan(prices.output_usd)) {
    return {"Revenue and margin are not stated: at what price " + question.shape.name +
            " is sold is not known here (--price-in, --price-hit, --price-out)."};
  }
  if (question.price_source.empty()) return {};
  return {
      fmt::format("Revenue: at published prices, {} in, {} for a hit, {} out per million "
                  "({}; --price-in, --price-hit, --price-out).",
                  figure(prices.input_usd, "USD"), figure(prices.hit_usd, "USD"),
                  figure(prices.output_usd, "USD"), question.price_source)};
}

}  // namespace

std::string devices_words(double n) { return fmt::format("{:.0f} device{}", n, n == 1 ? "" : "s"); }

const PriceEntry* find_device_price(const PriceList& prices, const std::string& device,
                                    const std::string& kind) {
  for (const char* suffix : {"", "-sxm", "-sxm-80", "-nvl72"}) {
    const PriceEntry* entry = prices.find({device + suffix, kind});
    if (entry != nullptr) return entry;
  }
  return nullptr;
}

const PriceEntry& device_price(const PriceList& prices, const std::string& device,
                               const std::string& kind) {
  if (const PriceEntry* entry = find_device_price(prices, device, kind)) return *entry;
  throw_bad_input({prices.name, "no " + kind + " price of " + device, "none",
                   "a [[price]] with item = \"" + device + "\", or the price on the command line",
                   ""});
}

void judge_prediction(ServeAnswer& answer, const ModelShape& v3, const Cluster& h800,
                      const Cluster& h100) {
  const PublishedDay published;
  const double node = h800.devices_per_node();
  const double misses = predict_prefill(v3, h800, published.load).tokens_per_second * node;
  answer.prefill_error = misses / (1 - published.load.hit_share) / published.rate.prefill - 1;
  const PhaseRate decode = predict_decode(v3, h800, published.load);
  answer.decode_error = decode.tokens_per_second * node / published.rate.decode - 1;
  const ServeDay day = serve_day(published.rate, published.load, published.prices);
  answer.day_nodes = day.prefill_nodes + day.decode_nodes;
  answer.day_nodes_published = published.nodes;
  answer.day_sequences = published.sequences();
  answer.day_sequences_predicted = decode.sequences;
  answer.day_step = 1 / published.tokens_per_second_reader;
  answer.day_step_predicted =
      predict_decode_step(v3, h800, published.load, published.decode_devices, answer.day_sequences);
  const PublishedProfile profile;
  ServeEfficiency balanced;
  balanced.expert_spread = 0;
  const double prefill =
      predict_prefill_on(v3, h800, profile.load, profile.prefill_devices, balanced)
          .tokens_per_second;
  const double step = predict_decode_step(v3, h800, profile.load, profile.decode_devices,
                                          profile.sequences, balanced);
  answer.profile_prefill_error = prefill * node / profile.rate.prefill - 1;
  answer.profile_decode_error = profile.sequences / step * node / profile.rate.decode - 1;
  answer.profile_over_day_prefill =
      profile.rate.prefill / (published.rate.prefill * (1 - published.load.hit_share));
  answer.profile_over_day_decode = profile.rate.decode / published.rate.decode;
  const SglangDeployment sglang;
  answer.sglang_prefill_error =
      predict_prefill(v3, h100, sglang.load).tokens_per_second * node / sglang.rate.prefill - 1;
  answer.sglang_decode_error =
      predict_decode(v3, h100, sglang.load).tokens_per_second * node / sglang.rate.decode - 1;
}

void fill_prices(const PriceList& list, ServeQuestion& question) {
  ServePrices& prices = question.prices;
  const auto fill = [&](double& price, const char* kind) {
    if (!std::isnan(price)) return false;
    const PriceEntry* entry = list.find({question.shape.name, kind});
    if (entry == nullptr) return false;
    price = entry->value;
    question.price_source = entry->source + ", " + entry->date;
    return true;
  };
  const bool is_in = fill(prices.input_usd, "api-in"), is_hit = fill(prices.hit_usd, "api-hit");
  if (!fill(prices.output_usd, "api-out") || !is_in || !is_hit) question.price_source.clear();
  if (std::isnan(prices.hit_usd)) prices.hit_usd = prices.input_usd;
}

ServeAnswer answer_serving(const ServeQuestion& question) {
  ServeAnswer answer;
  answer.question = question;
  const double node = question.cluster.devices_per_node();
  answer.rate = question.measured;
  answer.rate.devices_per_node = node;
  if (!(question.measured.prefill > 0)) {
    answer.prefill = predict_prefill(question.shape, question.cluster, question.load);
    const double misses = std::max(kLeastMissed, 1 - question.load.hit_share);
    answer.rate.prefill = answer.prefill.tokens_per_second * node / misses;
  }
  if (!(question.measured.decode > 0)) {
    answer.decode = predict_decode(question.shape, question.cluster, question.load);
    answer.rate.decode = answer.decode.tokens_per_second * node;
  }
  const bool is_predicted = answer.prefill.devices > 0 && answer.decode.devices > 0;
  answer.floor_devices =
      is_predicted ? smallest_instance(question.shape, question.cluster, question.load) : node;
  answer.day = serve_day(answer.rate, question.load, question.prices, answer.floor_devices);
  const double tokens = question.load.input_tokens_per_day + question.load.output_tokens_per_day;
  answer.mix_usd_per_million = tokens > 0 ? answer.day.cost_usd / tokens * 1e6 : kNotStated;
  answer.busy_usd_per_million = tokens > 0 ? answer.day.used_usd / tokens * 1e6 : kNotStated;
  answer.lifetime_tokens = tokens * question.months * kDaysPerYear / 12;
  answer.own = {question.shape.name, question.train_usd, answer.mix_usd_per_million};
  answer.crossover_tokens = lifetime_crossover(answer.own, question.rival);
  answer.api_break_even = kNotStated;
  answer.api_serving_alone = kNotStated;
  if (question.api_usd_per_million > 0) {
    OwnServing own{.train_usd = question.train_usd,
                   .months = question.months,
                   .floor_devices = answer.floor_devices,
                   .usd_per_device_hour = question.prices.usd_per_device_hour,
                   .usd_per_million = answer.busy_usd_per_million};
    answer.api_break_even = own_beats_api_at(own, question.api_usd_per_million);
    own.train_usd = 0;
    answer.api_serving_alone = own_beats_api_at(own, question.api_usd_per_million);
  }
  judge_prediction(answer, load_model_shape("deepseek-v3"), load_cluster("h800-2048"),
                   with_devices(load_cluster("h100-512"), 96));
  return answer;
}

std::string to_text(const ServeAnswer& answer) {
  const ServeQuestion& question = answer.question;
  std::string text = fmt::format(
      "Serving {} on {}, {} a device-hour ({})", question.shape.name, question.cluster.name,
      figure(question.prices.usd_per_device_hour, "USD"), question.rent_source);
  text = folded(text);
  for (const auto& line : traffic_words(answer)) text += folded(line);
  text += "\n";
  if (const Table rates = rates_table(answer); !rates.rows.empty()) text += to_text(rates) + "\n";
  text += folded(fmt::format(
              "A node at full load: {} tokens/s in with {:.1f} % found in the cache, {} tokens/s "
              "out; {:.0f} % of it used; context {:.0f}, at least {:.0f} tokens/s a reader",
              figure(answer.rate.prefill, ""), 100 * question.load.hit_share,
              figure(answer.rate.decode, ""), 100 * question.load.load, question.load.context,
              question.load.tokens_per_second_reader)) +
          "\n";
  text += to_text(money_table(answer)) + "\n";
  for (const auto& line : price_words(question)) text += folded(line);
  for (const auto& line : lifetime_words(answer)) text += folded(line);
  if (answer.prefill.devices > 0 || answer.decode.devices > 0) {
    for (const auto& line : error_words(answer)) text += folded(line);
  }
  for (const auto& line : question.warnings) text += folded("Warning: " + line + ".");
  return text;
}

Json to_json(const ServeAnswer& answer) {
  const auto phase = [](const PhaseRate& rate) -> Json {
    if (rate.devices == 0) return nullptr;
    return {{"devices", rate.devices},
            {"sequences_per_device", rate.sequences},
            {"tokens_per_second_device", rate.tokens_per_second},
            {"step_seconds", rate.step_seconds},
            {"work_seconds", rate.work_seconds},
            {"wire_seconds", rate.wire_seconds},
            {"memory_bytes", rate.memory_bytes},
            {"bound", rate.bound}};
  };
  const ServeDay& day = answer.day;
  const ServeQuestion& question = answer.question;
  const double tokens = answer.lifetime_tokens;
  std::vector<std::string> remarks = traffic_words(answer);
  for (auto& line : price_words(answer.question)) remarks.push_back(std::move(line));
  return {{"model", answer.question.shape.name},
          {"cluster", answer.question.cluster.name},
          {"predicted", {{"prefill", phase(answer.prefill)}, {"decode", phase(answer.decode)}}},
          {"node_tokens_per_second",
           {{"prefill", answer.rate.prefill}, {"decode", answer.rate.decode}}},
          {"load", answer.question.load.load},
          {"cluster_nodes", answer.question.cluster.nodes.value},
          {"remarks", remarks},
          {"warnings", answer.question.warnings},
          {"usd_per_device_hour", answer.question.prices.usd_per_device_hour},
          {"usd_per_million",
           {{"input", day.usd_per_million_input},
            {"input_not_cached", or_null(day.usd_per_million_miss)},
            {"output", day.usd_per_million_output},
            {"mix", or_null(answer.mix_usd_per_million)}}},
          {"day",
           {{"cost_usd", day.cost_usd},
            {"used_usd", day.used_usd},
            {"floor_usd", floor_usd(answer)},
            {"floor_devices", answer.floor_devices},
            {"revenue_usd", or_null(day.revenue_usd)},
            {"cost_profit", or_null(day.cost_profit)},
            {"gross_margin", or_null(day.gross_margin)},
            {"nodes", day.prefill_nodes + day.decode_nodes}}},
          {"lifetime",
           {{"tokens", answer.lifetime_tokens},
            {"usd", or_null(lifetime_usd(answer.own, tokens))},
            {"rival_usd", or_null(lifetime_usd(question.rival, tokens))},
            {"crossover_tokens", or_null(answer.crossover_tokens)},
            {"api_break_even_tokens_per_day", or_null(answer.api_break_even)},
            {"serving_alone",
             {{"usd", or_null(serving_usd(answer.own, tokens))},
              {"rival_usd", or_null(serving_usd(question.rival, tokens))},
              {"api_break_even_tokens_per_day", or_null(answer.api_serving_alone)}}}}},
          {"error_on_published_day",
           {{"prefill", answer.prefill_error},
            {"decode", answer.decode_error},
            {"nodes_at_its_rates", answer.day_nodes},
            {"nodes_published", answer.day_nodes_published},
            {"sequences_of_a_device", answer.day_sequences},
            {"sequences_predicted", answer.day_sequences_predicted},
            {"step_seconds", answer.day_step},
            {"step_seconds_predicted", answer.day_step_predicted}}},
          {"error_on_published_profile",
           {{"prefill", answer.profile_prefill_error},
            {"decode", answer.profile_decode_error},
            {"over_the_day_prefill", answer.profile_over_day_prefill},
            {"over_the_day_decode", answer.profile_over_day_decode}}},
          {"error_on_sglang_deployment",
           {{"prefill", answer.sglang_prefill_error}, {"decode", answer.sglang_decode_error}}}};
}

MoneyPage serving_page(const ServeAnswer& answer) {
  const ServeQuestion& q = answer.question;
  const std::string rate_source = answer.decode.devices > 0 ? "roofline, saturated" : "measured";
  const std::string asked = "as asked";
  MoneyPage page;
  page.title = "Serving " + q.shape.name + " on " + q.cluster.name;
  Sheet& sheet = page.sheet;
  const auto given = [&](const char* id, const char* label, const char* unit, double value,
                         const std::string& source) {
    sheet.add({.id = id,
               .label = label,
               .unit = unit,
               .value = value,
               .source = source,
               .slider = !std::isnan(value)});
  };
  const auto fixed = [&](const char* id, const char* label, double value,
                         const std::string& source) {
    sheet.add({.id = id, .label = label, .unit = "", .value = value, .source = source});
  };
  const auto formula = [&](const char* id, const char* label, const char* unit,
                           const std::string& text) {
    sheet.add({.id = id, .label = label, .unit = unit, .formula = text});
  };
  given("input", "tokens in, a day", "", q.load.input_tokens_per_day, asked);
  given("output", "tokens out, a day", "", q.load.output_tokens_per_day, asked);
  given("hits", "of the input, found in the cache", "%", 100 * q.load.hit_share, asked);
  given("prefill", "tokens in not cached, per second and node", "1/s",
        answer.rate.prefill * std::max(kLeastMissed, 1 - q.load.hit_share), rate_source);
  given("decode", "tokens out, per second and node", "1/s", answer.rate.decode, rate_source);
  given("load", "load, of saturated", "%", 100 * q.load.load, asked);
  given("rent", "device-hour", "USD/h", q.prices.usd_per_device_hour, q.rent_source);
  fixed("node_devices", "devices of a node", answer.rate.devices_per_node, q.cluster.name);
  fixed("floor_devices", "devices at least, day and night", answer.floor_devices,
        answer.decode.devices > 0 ? "the smallest instance that holds the model" : "one node");
  fixed("nodes_had", "nodes of the cluster", q.cluster.nodes.value, q.cluster.name);
  given("price_in", "price of a million tokens in", "USD", q.prices.input_usd, asked);
  given("price_hit", "price of a million from the cache", "USD", q.prices.hit_usd, asked);
  given("price_out", "price of a million tokens out", "USD", q.prices.output_usd, asked);
  given("train", "training of the model", "USD", q.train_usd, asked);
  given("months", "months of its life", "", q.months, asked);
  formula("prefill_nodes", "nodes for prefill", "",
          fmt::format("input * max(1 - hits / 100, {}) / 86400 / prefill / (load / 100)",
                      kLeastMissed));
  formula("decode_nodes", "nodes for decode", "", "output / 86400 / decode / (load / 100)");
  formula("node_day", "a node for a day", "USD", "node_devices * 24 * rent");
  formula("nodes", "nodes", "", "prefill_nodes + decode_nodes");
  formula("used_day", "what the traffic fills, for a day", "USD", "nodes * node_day");
  formula("floor_day", "a day of the least devices", "USD", "floor_devices * rent * 24");
  formula("cost_day", "cost of a day", "USD", "max(used_day, floor_day)");
  formula("idle", "cost over what the traffic fills", "x", "cost_day / used_day");
  formula("usd_in", "a million tokens in", "USD",
          fmt::format("idle * max(1 - hits / 100, {}) * node_day / 86400 / prefill / (load / 100) "
                      "* 10 ** 6",
                      kLeastMissed));
  formula("usd_out", "a million tokens out", "USD",
          "idle * node_day / 86400 / decode / (load / 100) * 10 ** 6");
  formula("revenue_day", "revenue of a day", "USD",
          "(input * (hits * price_hit + (100 - hits) * price_in) / 100 + output * price_out) / 10 "
          "** 6");
  formula("margin", "gross margin", "%", "100 * (1 - cost_day / revenue_day)");
  const auto condition = [&](const char* id, const char* text) {
    sheet.add({.id = id, .label = "", .unit = "", .formula = text, .condition = true});
  };
  condition("is_short", "nodes - nodes_had");
  condition("is_idle", "floor_day - used_day");
  add_life_lines(answer, sheet);
  sheet.finish("serving " + q.shape.name);
  const bool is_sold = !std::isnan(answer.day.revenue_usd);
  if (is_usual_traffic(q.load)) page.answer = usual_traffic_words(q.load);
  std::string costs = "A million tokens cost {usd_in} in and {usd_out} out";
  page.says = {
      {costs + (is_sold ? "; gross margin {margin} at these prices."
                        : "; revenue and margin are not stated.")},
      {"This traffic needs {nodes} nodes; " + q.cluster.name +
           " has {nodes_had}: the money is of {nodes} nodes.",
       "is_short"},
      {"This traffic fills {used_day} of devices a day; the smallest instance, " +
           devices_words(answer.floor_devices) + ", costs {floor_day} and is charged in full.",
       "is_idle"}};
  page.tiles = {"usd_in", "usd_out", "cost_day", "revenue_day", "margin", "life"};
  page.add(PageChart{.kind = "curve",
                     .heading = "Dollars per million tokens by load, %",
                     .items = {{.id = "usd_in"}, {.id = "usd_out"}},
                     .x = "load",
                     .x_low = 10,
                     .x_high = 100});
  page.add(PageChart{
      .kind = "curve",
      .heading = "A day's cost, and revenue where it is stated, by the price of a device-hour",
      .items = is_sold ? std::vector<PageChartItem>{{.id = "cost_day"}, {.id = "revenue_day"}}
                       : std::vector<PageChartItem>{{.id = "cost_day"}},
      .x = "rent",
      .x_low = 0.5,
      .x_high = 2 * q.prices.usd_per_device_hour});
  add_life(answer, page);
  if (answer.decode.devices > 0) {
    page.add(PageText{"How good the prediction is", error_words(answer)});
  }
  if (const auto words = price_words(q); !words.empty()) {
    page.add(PageText{"At whose prices", words});
  }
  page.sources = {"device-hour: " + q.rent_source,
                  "published day: DeepSeek-V3/R1 inference system overview, March 2025",
                  "kernels: FlashMLA and DeepEP as their authors publish them"};
  for (const auto& line : q.warnings) page.sources.push_back("Warning: " + line);
  return page;
}

}  // namespace farthing
