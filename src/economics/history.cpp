// history.cpp - the history file, and two runs' costs taken apart.
#include "economics/history.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "config/share.h"

namespace farthing {
namespace {

HistoryModel read_model(Settings& settings, const std::string& prefix) {
  HistoryModel model;
  for (const auto& [key, field] : {std::pair{"id", &model.id},
                                   {"name", &model.name},
                                   {"device", &model.device},
                                   {"basis", &model.basis},
                                   {"source", &model.source},
                                   {"note", &model.note}}) {
    settings.read(prefix + key, *field, {});
  }
  settings.read(prefix + "year", model.year, {.low = 1950, .high = 2100});
  for (const auto& [key, field] : {std::pair{"parameters", &model.parameters},
                                   {"active", &model.active},
                                   {"tokens", &model.tokens},
                                   {"peak", &model.peak},
                                   {"mfu", &model.mfu},
                                   {"hours", &model.hours},
                                   {"pretrain_hours", &model.pretrain_hours},
                                   {"usd_per_hour", &model.usd_per_hour},
                                   {"usd_low", &model.usd_low},
                                   {"usd_high", &model.usd_high}}) {
    settings.read(prefix + key, *field, {.low = 1e-6, .high = 1e30});
  }
  for (const char* key : {"id", "name", "basis", "source"}) {
    if (settings.has(prefix + key)) continue;
    settings.add_fault_line(
        fmt::format("{}: {}{}: wanted a value", settings.where(prefix + "id"), prefix, key));
  }
  if (model.usd_low && model.usd_high && *model.usd_low > *model.usd_high) {
    settings.add_fault(prefix + "usd_low", "more than usd_high", "usd_low <= usd_high");
  }
  return model;
}

ArticleChain read_chain(Settings& settings, const std::string& prefix) {
  ArticleChain chain;
  settings.read(prefix + "from", chain.from, {});
  settings.read(prefix + "to", chain.to, {});
  settings.read(prefix + "source", chain.source, {});
  settings.read(prefix + "stated", chain.stated, {.low = 1e-6, .high = 1e9});
  const std::size_t n = settings.count(prefix + "factor");
  for (std::size_t i = 0; i < n; ++i) {
    const std::string path = fmt::format("{}factor.{}.", prefix, i);
    ChainFactor& factor = chain.factors.emplace_back();
    settings.read(path + "label", factor.label, {});
    settings.read(path + "note", factor.note, {});
    settings.read(path + "value", factor.value, {.low = 1e-6, .high = 1e9});
  }
  return chain;
}

// One side of a comparison: what the cost is the product of.
void add_side(Sheet& sheet, const HistoryModel& model, const std::string& side) {
  const auto input = [&](const std::string& key, const std::string& label, const std::string& unit,
                         const std::optional<double>& value) {
    SheetLine line;
    line.id = side + "_" + key, line.label = model.name + ": " + label, line.unit = unit;
    line.source = key == "peak" ? "data sheet of the " + model.device + ", dense"
                                : model.source + (model.note.empty() ? "" : "; " + model.note);
    line.value = *value, line.slider = true;
    sheet.add(line);
  };
  input("active", "active parameters", "", model.active);
  input("tokens", "tokens", "", model.tokens);
  input("peak", "BF16 peak of one " + model.device, "FLOP/s", model.peak);
  input("price", "price", "USD/h", model.usd_per_hour);
  if (model.hours) {
    input("hours", "device-hours", "h", model.hours);
    sheet.add({.id = side + "_mfu",
               .label = model.name + ": share of the BF16 peak that the hours imply (MFU)",
               .unit = "share",
               .formula = fmt::format("6 * {0}_active * {0}_tokens / ({0}_hours * 3600 * {0}_peak)",
                                      side)});
  } else {
    input("mfu", "share of the BF16 peak (MFU), by whose estimate the source says", "share",
          model.mfu);
  }
  sheet.add({.id = side + "_usd",
             .label = model.name + ": the run",
             .unit = "USD",
             .formula = fmt::format(
                 "6 * {0}_active * {0}_tokens / ({0}_peak * {0}_mfu) / 3600 * {0}_price", side)});
}

// Above zero where the formula's dollars lie outside both ends of what is known, by a hundredth.
void add_outside(Sheet& sheet, const HistoryModel& model, const std::string& side) {
  if (!model.usd_low || !model.usd_high) return;
  sheet.add({.id = side + "_outside",
             .label = model.name + ": outside what is known",
             .unit = "USD",
             .formula = fmt::format("max({:.0f} - {}_usd, {}_usd - {:.0f})", 0.99 * *model.usd_low,
                                    side, side, 1.01 * *model.usd_high),
             .condition = true});
}

// To two digits, which is what estimates and rumours carry.
void add_about(Sheet& sheet, const std::string& id) {
  const auto line = std::find_if(sheet.lines().begin(), sheet.lines().end(),
                                 [&](const SheetLine& each) { return each.id == id; });
  const std::string label = line->label + ", about, from estimated and rumoured inputs";
  const std::string unit = line->unit, step = fmt::format("10 ** (floor(log10({})) - 1)", id);
  sheet.add({.id = id + "_about",
             .label = label,
             .unit = unit,
             .formula = fmt::format("floor({0} / {1} + 0.5) * {1}", id, step)});
}

std::string missing_of(const HistoryModel& model) {
  std::string missing;
  const auto want = [&](bool known, const char* what) {
    if (!known) missing += (missing.empty() ? "" : ", ") + std::string(what);
  };
  want(model.active.has_value(), "active parameters");
  want(model.tokens.has_value(), "tokens");
  want(model.peak.has_value(), "the device's peak");
  want(model.hours || model.mfu, "hours or MFU");
  want(model.usd_per_hour.has_value(), "a price");
  return missing;
}

}  // namespace

std::string phase_words(const HistoryModel& model) {
  if (!model.hours || !model.pretrain_hours || !model.active || !model.tokens || !model.peak) {
    return "";
  }
  const double flops = 6 * *model.active * *model.tokens;
  const auto percent = [&](double hours) { return 100 * flops / (hours * 3600 * *model.peak); };
  return fmt::format(
      "{}: its hours include context extension and post-training, its tokens are pre-training's: "
      "over all hours that is {:.1f} % of the BF16 peak, over the {:.4g}M of pre-training {:.1f} "
      "%.",
      model.name, percent(*model.hours), *model.pretrain_hours / 1e6,
      percent(*model.pretrain_hours));
}

double ArticleChain::product() const {
  double product = 1;
  for (const auto& factor : factors) product *= factor.value;
  return product;
}

const HistoryModel& History::at(const std::string& id) const {
  std::vector<std::string> ids;
  for (const auto& model : models) {
    if (model.id == id) return model;
    ids.push_back(model.id);
  }
  const std::string near = nearest_spelling(id, ids);
  throw_bad_input(
      {"claims/history.toml", "no model named", id, "",
       near.empty() ? "farthing cost compare lists them" : "did you mean " + near + "?"});
}

const ArticleChain* History::chain(const std::string& from, const std::string& to) const {
  for (const auto& each : chains) {
    if (each.from == from && each.to == to) return &each;
  }
  return nullptr;
}

History load_history() {
  const std::string path = find_shared("claims", "history", ".toml");
  return parse_history_file(read_file(path), path);
}

History parse_history_file(const std::string& toml, const std::string& where) {
  Settings settings(toml, where);
  History history;
  for (std::size_t i = 0, n = settings.count("model"); i < n; ++i) {
    history.models.push_back(read_model(settings, fmt::format("model.{}.", i)));
  }
  for (std::size_t i = 0, n = settings.count("chain"); i < n; ++i) {
    history.chains.push_back(read_chain(settings, fmt::format("chain.{}.", i)));
  }
  settings.finish();
  return history;
}

Comparison compare_costs(const HistoryModel& a, const HistoryModel& b) {
  for (const auto* model : {&a, &b}) {
    const std::string missing = missing_of(*model);
    if (!missing.empty()) {
      throw_bad_input({model->name, "its cost cannot be taken apart without " + missing, "", "",
                       "claims/history.toml has none"});
    }
  }
  Comparison comparison;
  Sheet& sheet = comparison.sheet;
  add_side(sheet, a, "a");
  add_side(sheet, b, "b");
  const auto ratio = [&](const std::string& key, const std::string& label, bool inverse) {
    const std::string id = fmt::format("r_{}", key);
    const std::string formula =
        inverse ? fmt::format("b_{0} / a_{0}", key) : fmt::format("a_{0} / b_{0}", key);
    sheet.add({.id = id, .label = label, .unit = "x", .formula = formula});
    comparison.factors.push_back(id);
  };
  ratio("active", "active parameters", false);
  ratio("tokens", "tokens", false);
  ratio("peak", "BF16 peak of a device, inverse", true);
  ratio("mfu", "share of the BF16 peak used, inverse", true);
  ratio("price", "price of an hour", false);
  sheet.add({.id = "ratio",
             .label = a.name + " over " + b.name,
             .unit = "x",
             .formula = "r_active * r_tokens * r_peak * r_mfu * r_price"});
  if (!a.is_disclosed()) add_about(sheet, "a_usd");
  if (!b.is_disclosed()) add_about(sheet, "b_usd");
  if (!a.is_disclosed() || !b.is_disclosed()) add_about(sheet, "ratio");
  add_outside(sheet, a, "a");
  add_outside(sheet, b, "b");
  sheet.finish("comparison");
  return comparison;
}

}  // namespace farthing
