// cost_factors.cpp - farthing cost factors: what makes a model cheap, claimed beside computed.
#include <fmt/core.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/factors.h"
#include "economics/history.h"
#include "economics/page.h"
#include "report/table.h"

namespace farthing {
namespace {

struct FactorsOptions {
  std::string model, cluster = "h800-2048";
  double year = 2025;
  int sequence_length = 0;
  CostOutput output;
};

PlanRequest request_of(const FactorsOptions& options) {
  PlanRequest request;
  request.model = load_model_shape(options.model);
  request.cluster = load_cluster(options.cluster);
  const TrainingDefaults usual = training_defaults(options.model);
  request.batch.sequence_length =
      options.sequence_length > 0 ? options.sequence_length : usual.sequence_length;
  request.batch.global_batch = usual.global_batch > 0 ? usual.global_batch : 4096;
  request.software = software_of(options.year, Framework::kDeepSeek, request.cluster.device);
  request.software->hides_ep = true;
  request.software->dispatcher = Dispatcher::kDeepEp;
  const bool fp8 = request.cluster.device.fp8_peak.is_known();
  request.precision = fp8 ? NumberFormat::kFp8Block : NumberFormat::kBf16;
  return request;
}

// What is switched off, and what is known of it.
std::string words_of(const FactorClaim& claim) {
  return claim.what + (claim.known.empty() ? "." : ". " + claim.known + ".");
}

std::string number(double value) { return fmt::format("{:.2f}", value); }

// Device-hours per billion tokens, where a run's hours were published.
std::optional<double> published_rate(const std::string& model) {
  for (const auto& known : load_history().models) {
    if (known.id != model || !known.hours || !known.tokens) continue;
    return known.pretrain_hours.value_or(*known.hours) / *known.tokens * 1e9;
  }
  return std::nullopt;
}

std::string text_of(const FactorReport& report, const FactorClaims& claims,
                    const PlanRequest& request) {
  std::string text =
      wrap_text(fmt::format(
                    "{} on {}, sequences of {}: what each technique saves in device-time per token",
                    request.model.name, request.cluster.name, request.batch.sequence_length),
                0) +
      "\n";
  Table table{.headings = {"technique", "claimed", "computed (Shapley)", "in any order",
                           "lost alone", "by FLOPs"},
              .rows = {}};
  const bool is_claimed = claims.product > 0;
  double claimed = 1;
  for (const auto& factor : report.factors) {
    claimed *= factor.claim.claimed.value_or(1);
    table.rows.push_back({factor.claim.label,
                          factor.claim.claimed ? number(*factor.claim.claimed) : "not claimed",
                          factor.present ? number(factor.shapley) : "no effect",
                          number(factor.low) + " to " + number(factor.high), number(factor.alone),
                          factor.by_flops ? number(*factor.by_flops) : "-"});
  }
  table.rows.push_back({"all of them", is_claimed ? number(claimed) : "not claimed",
                        number(report.total()), "", "", ""});
  text += to_text(table) + "\n";
  if (is_claimed) {
    text +=
        wrap_text(fmt::format("The claim: {}, rounded to {:g}.", claims.source, claims.product), 0);
  }
  text += wrap_text(fmt::format("Computed: {:.1f} device-hours per billion tokens with all of them "
                                "({}), {:.1f} with none ({}).",
                                report.seconds_per_token_all * 1e9 / 3600, report.layout_all,
                                report.seconds_per_token_none * 1e9 / 3600, report.layout_none),
                    0);
  text += "\n";
  for (const auto& factor : report.factors) {
    text += wrap_text(factor.claim.label + ": " + words_of(factor.claim), 2);
  }
  text +=
      "\n" + wrap_text(
                 "By FLOPs: what arithmetic at the peak rate alone would give; the planner also "
                 "has memory, launches and traffic.",
                 0);
  if (const auto rate = published_rate(request.model.name)) {
    text += wrap_text(
        fmt::format(
            "Published for pre-training: {:.1f} device-hours per billion tokens; the "
            "planner's, with all of the techniques above, is {:+.0f} % off it, before failures and "
            "restarts. The layout is searched anew for every combination: neither it nor "
            "the techniques need be the authors'.",
            *rate, 100 * (report.seconds_per_token_all * 1e9 / 3600 / *rate - 1)),
        0);
  }
  return text + "\n" +
         wrap_text(
             "Device-time per token is not the whole of efficiency: a dense model of "
             "as many parameters would learn more from each token, and nobody has "
             "published by how much.",
             0);
}

Json json_of(const FactorReport& report, const FactorClaims& claims) {
  Json json = {{"total", report.total()},
               {"claimed_product", claims.product > 0 ? Json(claims.product) : Json(nullptr)},
               {"seconds_per_token_all", report.seconds_per_token_all},
               {"seconds_per_token_none", report.seconds_per_token_none},
               {"layout_all", report.layout_all},
               {"layout_none", report.layout_none},
               {"factors", Json::array()}};
  for (const auto& factor : report.factors) {
    json["factors"].push_back(
        {{"id", factor.claim.id},
         {"label", factor.claim.label},
         {"claimed", factor.claim.claimed ? Json(*factor.claim.claimed) : Json(nullptr)},
         {"shapley", factor.shapley},
         {"low", factor.low},
         {"high", factor.high},
         {"alone", factor.alone},
         {"first", factor.first},
         {"by_flops", factor.by_flops ? Json(*factor.by_flops) : Json(nullptr)},
         {"what", factor.claim.what},
         {"known", factor.claim.known}});
  }
  return json;
}

MoneyPage page_of(const FactorReport& report, const FactorClaims& claims,
                  const PlanRequest& request) {
  MoneyPage page;
  page.title = "What makes " + request.model.name + " cheap to train";
  const bool is_claimed = claims.product > 0;
  if (is_claimed) {
    page.says.push_back({fmt::format("Claimed: {{claimed}}, rounded to {:g}.", claims.product)});
  }
  page.says.push_back(
      {"Switched off one by one in the model of a training step, in every order: {computed}."});
  PageChart claimed, computed;
  claimed.kind = computed.kind = "factors";
  claimed.heading = "As an article multiplies it", computed.heading = "As the planner computes it";
  computed.note =
      "Mean over all orders of switching off (Shapley): the product is the whole, nothing "
      "is counted twice. " +
      request.cluster.name + ".";
  std::string product_claimed = "1", product = "1";
  PageTable table;
  table.heading = "Technique by technique", table.is_prose = true;
  table.headings = {"technique",           "claimed",    "computed",
                    "in any order",        "lost alone", "by FLOPs alone",
                    "what is switched off"};
  for (const auto& factor : report.factors) {
    const std::string& id = factor.claim.id;
    SheetLine line;
    line.id = id, line.label = factor.claim.label, line.unit = "x", line.value = factor.shapley;
    line.low = factor.low, line.high = factor.high, line.slider = factor.present;
    line.source = "farthing's planner, every order of " + std::to_string(report.factors.size());
    page.sheet.add(line);
    product += " * " + id;
    computed.items.push_back({id});
    PageCell stated{"not claimed"};
    if (factor.claim.claimed) {
      SheetLine claim = {.id = id + "_claimed", .label = factor.claim.label, .unit = "x"};
      claim.value = *factor.claim.claimed, claim.source = claims.source;
      page.sheet.add(claim);
      product_claimed += " * " + claim.id;
      claimed.items.push_back({claim.id});
      stated = figure_cell(claim.id);
    }
    table.rows.push_back({{factor.claim.label},
                          stated,
                          figure_cell(id),
                          {number(factor.low) + " to " + number(factor.high)},
                          {number(factor.alone)},
                          {factor.by_flops ? number(*factor.by_flops) : "-"},
                          {words_of(factor.claim)}});
  }
  if (is_claimed) {
    page.sheet.add({.id = "claimed",
                    .label = "the article's product",
                    .unit = "x",
                    .formula = product_claimed});
  }
  page.sheet.add({.id = "computed", .label = "computed", .unit = "x", .formula = product});
  page.sheet.finish("factors page");
  computed.items.push_back({"computed", "", true});
  page.tiles = {"computed"};
  if (is_claimed) {
    claimed.items.push_back({"claimed", "", true});
    page.tiles.insert(page.tiles.begin(), "claimed");
    page.sources.push_back(claims.source);
    page.add(claimed);
  }
  page.add(computed), page.add(table);
  page.add(PageText{"What is not in it",
                    {"Device-time per token is not the whole of efficiency: a dense "
                     "model of as many parameters would learn more from each token, and nobody has "
                     "published by how much."}});
  page.sources.push_back(request.model.source);
  page.sources.push_back(request.cluster.name + " of the cluster book");
  return page;
}

void factors_command(const FactorsOptions& options) {
  const PlanRequest request = request_of(options);
  const FactorClaims claims = claims_of(load_factor_claims(), request.model.name);
  ProgressLine line;
  const FactorReport report = efficiency_factors(request, claims, [&](int done, int total) {
    line.show(fmt::format("{} of {} combinations", done, total));
  });
  line.end();
  if (!options.output.html.empty()) {
    write_page(options.output.html, page_of(report, claims, request), options.output.json);
  }
  if (options.output.json) {
    print_json(json_of(report, claims));
  } else if (options.output.html.empty()) {
    std::cout << text_of(report, claims, request);
  }
}

void add_cost_factors(Command& app) {
  auto options = std::make_shared<FactorsOptions>();
  Command* factors = cost_command(app).add_subcommand(
      "factors", "what makes a model cheap: each technique switched off, claimed beside computed");
  factors->add_option("model", options->model, "a name under models/, or a file")->required();
  factors->add_option("--cluster", options->cluster, "a name under clusters/, or a file");
  factors->add_option("--software", options->year, "year of the training software")
      ->range(2015.0, 2040.0);
  factors->add_option("--seq", options->sequence_length, "sequence length")->range(16, 1 << 22);
  add_cost_output(*factors, options->output, false);
  set_example(*factors, "farthing cost factors deepseek-v3 --cluster h800-2048");
  factors->callback([options] { factors_command(*options); });
}

const CommandRegistration kCostFactors{add_cost_factors, kCostOrder};

}  // namespace
}  // namespace farthing
