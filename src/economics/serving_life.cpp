// serving_life.cpp - a served model over its life, beside another model and an API.
#include <fmt/core.h>

#include <cmath>

#include "base/calendar.h"
#include "economics/serving_answer.h"

namespace farthing {
namespace {

bool is_stated(double value) { return !std::isnan(value); }

bool has_rival(const ServeQuestion& question) {
  return is_stated(question.rival.train_usd) || is_stated(question.rival.serve_usd_per_million);
}

bool compares_whole_bills(const ServeQuestion& question) {
  return is_stated(question.train_usd) && is_stated(question.rival.train_usd) &&
         is_stated(question.rival.serve_usd_per_million);
}

bool compares_serving(const ServeQuestion& question) {
  return is_stated(question.rival.serve_usd_per_million) && !compares_whole_bills(question);
}

// "this one's is not stated (--train-usd)"
std::string unstated_training(const ServeQuestion& question) {
  const bool own = !is_stated(question.train_usd), other = !is_stated(question.rival.train_usd);
  if (own && other) return "training is not stated (--train-usd, --rival-train-usd)";
  return own ? "this one's training is not stated (--train-usd)"
             : "the other's training is not stated (--rival-train-usd)";
}

const char* own_bill_words(const ServeQuestion& question) {
  return is_stated(question.train_usd) ? "to train and serve"
                                       : "to serve; its training is not stated (--train-usd)";
}

const char* training_apart(const ServeQuestion& question) {
  return is_stated(question.train_usd) ? "" : ", its training apart (not stated)";
}

std::string rival_words(const ServeAnswer& answer) {
  const ServeQuestion& question = answer.question;
  const double tokens = answer.lifetime_tokens;
  if (compares_whole_bills(question)) {
    const double own = lifetime_usd(answer.own, tokens);
    const double rival = lifetime_usd(question.rival, tokens);
    return fmt::format(
        "The other model: {}; {} is cheaper over this life{}.", format_figure(rival, "USD"),
        own <= rival ? "this one" : "the other",
        std::isfinite(answer.crossover_tokens)
            ? ", and they are level at " + format_figure(answer.crossover_tokens, "") + " tokens"
            : ", at any traffic");
  }
  if (compares_serving(question)) {
    const double own = serving_usd(answer.own, tokens);
    const double rival = serving_usd(question.rival, tokens);
    return fmt::format(
        "The other model: {} to serve. Serving alone, {} is cheaper over this life; "
        "{}.",
        format_figure(rival, "USD"), own <= rival ? "this one" : "the other",
        unstated_training(question));
  }
  return fmt::format(
      "The other model: {} to train; its serving is not stated "
      "(--rival-serve-usd), and so is which of the two is cheaper over this life.",
      format_figure(question.rival.train_usd, "USD"));
}

std::string api_words(const ServeAnswer& answer) {
  const ServeQuestion& question = answer.question;
  const std::string api = format_figure(question.api_usd_per_million, "USD");
  const double from =
      is_stated(question.train_usd) ? answer.api_break_even : answer.api_serving_alone;
  if (!std::isfinite(from)) return "An API at " + api + " per million is cheaper at any traffic.";
  return fmt::format(
      "Against an API at {} per million: from {} tokens a day on, with at least {} day and "
      "night{}.",
      api, format_figure(from, ""), devices_words(answer.floor_devices), training_apart(question));
}

void add_rival_lines(const ServeQuestion& q, Sheet& sheet) {
  const auto given = [&](const char* id, const char* label, double value) {
    sheet.add({.id = id,
               .label = label,
               .unit = "USD",
               .value = value,
               .source = "as asked",
               .slider = is_stated(value)});
  };
  const auto formula = [&](const char* id, const char* label, const char* unit, const char* text) {
    sheet.add({.id = id, .label = label, .unit = unit, .formula = text});
  };
  const auto condition = [&](const char* id, const char* text) {
    sheet.add({.id = id, .label = "", .unit = "", .formula = text, .condition = true});
  };
  given("rival_train", "the other model's training", q.rival.train_usd);
  given("rival_serve", "its serving, per million tokens", q.rival.serve_usd_per_million);
  formula("rival_serving", "serving the other model over this life", "USD",
          "life_tokens / 10 ** 6 * rival_serve");
  formula("rival_life", "the other model over this life", "USD", "rival_train + rival_serving");
  if (compares_whole_bills(q)) {
    formula("level", "tokens at which they are level", "",
            "if(abs(rival_serve - mix), (train - rival_train) / (rival_serve - mix) * 10 ** 6, "
            "-1)");
    condition("own_wins", "if(life - rival_life, 0, 1)");
  } else {
    condition("own_wins", "if(own_serving - rival_serving, 0, 1)");
  }
  condition("rival_wins", "1 - own_wins");
}

std::vector<PageSentence> rival_sentences(const ServeQuestion& q) {
  if (compares_whole_bills(q)) {
    return {{"The other model: {rival_life}; this one is cheaper over this life.", "own_wins"},
            {"The other model: {rival_life}; the other is cheaper over this life.", "rival_wins"},
            {"They are level at {level} tokens.", "level"}};
  }
  if (compares_serving(q)) {
    const std::string begin = "The other model: {rival_serving} to serve. Serving alone, ";
    const std::string end = " is cheaper over this life; " + unstated_training(q) + ".";
    return {{begin + "this one" + end, "own_wins"}, {begin + "the other" + end, "rival_wins"}};
  }
  return {
      {"The other model: {rival_train} to train; its serving is not stated "
       "(--rival-serve-usd), and so is which of the two is cheaper over this life."}};
}

}  // namespace

std::vector<std::string> lifetime_words(const ServeAnswer& answer) {
  const ServeQuestion& question = answer.question;
  const double tokens = answer.lifetime_tokens;
  const double usd = is_stated(question.train_usd) ? lifetime_usd(answer.own, tokens)
                                                   : serving_usd(answer.own, tokens);
  std::vector<std::string> lines = {
      fmt::format("Over {:.0f} months: {} tokens, {} {}.", question.months,
                  format_figure(tokens, ""), format_figure(usd, "USD"), own_bill_words(question))};
  if (has_rival(question)) lines.push_back(rival_words(answer));
  if (question.api_usd_per_million > 0) lines.push_back(api_words(answer));
  return lines;
}

void add_life_lines(const ServeAnswer& answer, Sheet& sheet) {
  const ServeQuestion& q = answer.question;
  const auto formula = [&](const char* id, const char* label, const char* unit,
                           const std::string& text) {
    sheet.add({.id = id, .label = label, .unit = unit, .formula = text});
  };
  const auto condition = [&](const char* id, const char* text) {
    sheet.add({.id = id, .label = "", .unit = "", .formula = text, .condition = true});
  };
  formula("days", "days of its life", "", fmt::format("months * {} / 12", kDaysPerYear));
  formula("life_tokens", "tokens of its life", "", "(input + output) * days");
  formula("mix", "a million tokens of the mix", "USD", "cost_day / (input + output) * 10 ** 6");
  formula("busy_mix", "the same where the least devices are full", "USD",
          "used_day / (input + output) * 10 ** 6");
  formula("own_serving", "serving over its life", "USD", "cost_day * days");
  formula("life", "training and serving over its life", "USD", "train + own_serving");
  if (has_rival(q)) add_rival_lines(q, sheet);
  if (!(q.api_usd_per_million > 0)) return;
  sheet.add({.id = "api",
             .label = "an API's price of a million tokens",
             .unit = "USD",
             .value = q.api_usd_per_million,
             .source = "as asked",
             .slider = true});
  const std::string train = is_stated(q.train_usd) ? "train" : "0";
  formula("api_bound", "tokens a day from which it pays while the least devices suffice", "",
          "(" + train + " / days + floor_day) / api * 10 ** 6");
  std::string label = "tokens a day from which the own model is cheaper";
  label += training_apart(q);
  formula("api_from", label.c_str(), "",
          "if(floor_day - api_bound / 10 ** 6 * busy_mix, api_bound, if(api - busy_mix, " + train +
              " / days / (api - busy_mix) * 10 ** 6, 1 / 0))");
  condition("api_never",
            "if(floor_day - api_bound / 10 ** 6 * busy_mix, 0, if(api - busy_mix, 0, 1))");
  condition("api_ever", "1 - api_never");
}

void add_life(const ServeAnswer& answer, MoneyPage& page) {
  const ServeQuestion& q = answer.question;
  PageText text{"Over its life", {}};
  std::string life = is_stated(q.train_usd) ? "{life} " : "{own_serving} ";
  life += own_bill_words(q);
  text.sentences.push_back({"Over {months} months: {life_tokens} tokens, " + life + "."});
  if (has_rival(q)) {
    for (auto& sentence : rival_sentences(q)) text.sentences.push_back(std::move(sentence));
  }
  if (q.api_usd_per_million > 0) {
    text.sentences.push_back(
        {"Against an API at {api} per million: from {api_from} tokens a day "
         "on, with at least " +
             devices_words(answer.floor_devices) + " day and night" + training_apart(q) + ".",
         "api_ever"});
    text.sentences.push_back(
        {"An API at {api} per million is cheaper at any traffic.", "api_never"});
  }
  page.add(std::move(text));
}

}  // namespace farthing
