// inspect_page.cpp - an inspection as text for a terminal and as one self-contained HTML page.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "data/inspect.h"
#include "report/chart.h"
#include "report/page.h"
#include "report/table.h"

namespace farthing {
namespace {

constexpr int kBarColumns = 40;
constexpr std::size_t kCategories = 7;  // colours of the style sheet

std::string percent(const Json& share) {
  if (!share.is_number()) return "not stated";
  char text[32];
  const double percent = 100 * share.get<double>();
  const bool is_small = percent > 0 && percent < 0.1;
  std::snprintf(text, sizeof(text), is_small ? "%.2g %%" : "%.1f %%", percent);
  return text;
}

std::string words_or_not_stated(const Json& text) {
  const bool stated = text.is_string() && !text.get_ref<const std::string&>().empty();
  return stated ? text.get<std::string>() : "not stated";
}

std::string count_text(const Json& count) { return format_count(count.get<double>()); }

std::string ratio_text(const Json& ratio) {
  if (!ratio.is_number()) return "not stated";
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", ratio.get<double>());
  return text;
}

// A value of a cost with its unit.
std::string cost_text(const Json& cost, const char* key, std::string (*format)(double)) {
  return cost.is_object() && cost.contains(key) && cost[key].is_number()
             ? format(cost[key].get<double>())
             : "not stated";
}

std::string joules_text(double joules) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g J", joules);
  return text;
}

Table splits_table(const Json& inspection) {
  Table table{
      {"split", "documents", "tokens", "bytes/token", "longest", "ids used", "copies", "on disk"},
      {}};
  for (const auto& [name, split] : inspection["splits"].items()) {
    table.rows.push_back({name, count_text(split["documents"]), count_text(split["tokens"]),
                          ratio_text(split["bytes_per_token"]),
                          count_text(split["longest_document"]), count_text(split["ids_used"]),
                          count_text(split["duplicates"]["copies"]),
                          format_bytes(split["bytes_on_disk"].get<double>())});
  }
  return table;
}

Table sources_table(const Json& inspection) {
  Table table{{"source", "documents", "tokens", "share", "time", "energy", "cost", "licence"}, {}};
  for (const Json& source : inspection["sources"]) {
    const Json& cost = source["cost"];
    table.rows.push_back(
        {source["name"], count_text(source["documents"]), count_text(source["tokens"]),
         percent(source["share"]), cost_text(cost, "seconds", format_seconds),
         cost_text(cost, "joules", joules_text), cost_text(cost, "usd", format_usd),
         words_or_not_stated(source["licence"])});
  }
  return table;
}

bool is_shared_by_bytes(const Json& inspection) {
  const Json& sources = inspection["sources"];
  return std::any_of(sources.begin(), sources.end(), [](const Json& source) {
    return source["cost"].contains("shared_by_bytes") && source["cost"].size() > 1;
  });
}

Table dropped_table(const Json& inspection) {
  Table table{{"dropped because", "documents", "of all", "source of the rule"}, {}};
  for (const Json& entry : inspection["dropped"]) {
    const std::string source = entry["source"];
    table.rows.push_back({entry["reason"], count_text(entry["documents"]), percent(entry["share"]),
                          source.empty() ? "-" : source});
  }
  return table;
}

Table packing_table(const Json& packing) {
  Table table{{"packing", "windows", "fill rate", "documents cut", "cuts"}, {}};
  for (const auto& [key, name] :
       {std::pair{"cut", "concatenate and cut"}, std::pair{"best_fit", "best fit"}}) {
    const Json& one = packing[key];
    table.rows.push_back({name, count_text(one["windows"]), percent(one["fill_rate"]),
                          count_text(one["truncated_documents"]), count_text(one["cuts"])});
  }
  return table;
}

std::string interval(const Json& bucket) {
  if (bucket["from"] == bucket["to"]) return bucket["from"].dump();
  return bucket["from"].dump() + " to " + bucket["to"].dump();
}

// Of a histogram's buckets by the count under `key`, each with a bar of '#'.
std::string bars(const Json& histogram, const char* key) {
  double most = 1;
  for (const Json& bucket : histogram) most = std::max(most, bucket[key].get<double>());
  Table table;
  for (const Json& bucket : histogram) {
    const double value = bucket[key];
    const auto width = static_cast<std::size_t>(std::ceil(value / most * kBarColumns));
    std::string count = format_count(value);
    count.insert(0, count.size() < 8 ? 8 - count.size() : 0, ' ');
    table.rows.push_back({"  " + interval(bucket), count, std::string(width, '#')});
  }
  return to_text(table);
}

// The text of a token or document as one line that a terminal may show.
std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

const Json& shown_split(const Json& inspection, std::string& name) {
  const Json& splits = inspection["splits"];
  name = splits.contains("train") ? "train" : splits.begin().key();
  return splits[name];
}

std::string frequent_text(const Json& split) {
  std::string out;
  for (const Json& token : split["frequent"]) {
    out += "  ";
    if (token["text"].is_string()) {
      out.append(1, '"').append(one_line(token["text"].get<std::string>())).append(1, '"');
    } else {
      out.append("id ").append(token["id"].dump());
    }
    out.append(1, ' ').append(count_text(token["count"]));
  }
  return out + "\n";
}

std::string duplicates_text(const Json& split) {
  const Json& duplicates = split["duplicates"];
  std::string out = "\n" + count_text(duplicates["copies"]) + " of " +
                    count_text(duplicates["documents"]) + " documents are copies of others\n";
  for (const Json& group : duplicates["most"]) {
    out += "  " + group["copies"].dump() + " times, " + group["tokens"].dump() + " tokens";
    if (group["text"].is_string()) {
      out += ": " + one_line(group["text"].get<std::string>()).substr(0, 160);
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string inspection_text(const Json& inspection) {
  std::string out = to_text(splits_table(inspection));
  if (!inspection["sources"].empty()) {
    out += "\n" + to_text(sources_table(inspection));
    if (is_shared_by_bytes(inspection)) {
      out += "time, energy and cost: the whole's, shared out by bytes of text\n";
    }
  }
  if (!inspection["dropped"].empty()) out += "\n" + to_text(dropped_table(inspection));
  std::string name;
  const Json& split = shown_split(inspection, name);
  out += "\ntokens in a document of " + name + "\n" + bars(split["histogram"], "documents");
  out += "\nids by how often they occur in " + name + "\n" + bars(split["token_histogram"], "ids");
  out += "\nmost frequent in " + name + "\n" + frequent_text(split);
  out += "\nwindows of " + split["packing"]["sequence_length"].dump() + " tokens\n" +
         to_text(packing_table(split["packing"]));
  out += duplicates_text(split);
  if (split["samples"].is_null()) return out;
  for (const auto& [which, text] : split["samples"].items()) {
    out += "\n" + which + ": " + text.get<std::string>() + "\n";
  }
  return out;
}

namespace {

std::string tile(const std::string& value, const std::string& what) {
  return "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(what) +
         "</span></div>\n";
}

std::string tiles(const Json& inspection) {
  double documents = 0, tokens = 0;
  for (const auto& [name, split] : inspection["splits"].items()) {
    if (name.starts_with("val-")) continue;  // part of val
    documents += split["documents"].get<double>();
    tokens += split["tokens"].get<double>();
  }
  std::string name;
  const Json& split = shown_split(inspection, name);
  std::string html = "<section class=\"tiles\">\n";
  html += tile(format_count(tokens), "tokens");
  html += tile(format_count(documents), "documents");
  html += tile(format_bytes(inspection["bytes_on_disk"].get<double>()), "on disk");
  if (split["bytes_per_token"].is_number()) {
    html += tile(ratio_text(split["bytes_per_token"]), "bytes of text per token");
  }
  const Json& cost = inspection["cost"];
  if (cost.is_object() && cost.contains("seconds")) {
    html += tile(cost_text(cost, "seconds", format_seconds), "to prepare");
    html += tile(cost_text(cost, "usd", format_usd), "cost of preparing");
  }
  return html + "</section>\n";
}

// Horizontal bars, a row for each bucket: drawn to the width of the page by the browser.
std::string bars_html(const Json& histogram, const char* key, const char* heading) {
  double most = 1;
  for (const Json& bucket : histogram) most = std::max(most, bucket[key].get<double>());
  std::string html =
      std::string("<table class=\"bars\"><tr><th>") + heading + "</th><th></th><th></th></tr>\n";
  for (const Json& bucket : histogram) {
    char width[32];
    std::snprintf(width, sizeof(width), "%.2f%%", 100 * bucket[key].get<double>() / most);
    html += "<tr><td>" + escape_html(interval(bucket)) +
            "</td><td><i class=\"c2\" style=\"width:" + width + "\"></i></td><td>" +
            count_text(bucket[key]) + "</td></tr>\n";
  }
  return html + "</table>\n";
}

// The largest first; as many as there are colours, the last of them for all others together.
std::vector<BarPart> shares(const Json& sources) {
  std::vector<BarPart> parts;
  double all = 0;
  for (const Json& source : sources) {
    parts.push_back({source["name"], source["tokens"], percent(source["share"])});
    all += parts.back().value;
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const BarPart& a, const BarPart& b) { return a.value > b.value; });
  if (parts.size() <= kCategories) return parts;
  BarPart others{std::to_string(parts.size() - kCategories + 1) + " others", 0, ""};
  for (std::size_t i = kCategories - 1; i < parts.size(); ++i) others.value += parts[i].value;
  others.note = percent(all > 0 ? others.value / all : 0);
  parts.resize(kCategories - 1);
  parts.push_back(others);
  return parts;
}

std::string share_section(const Json& inspection) {
  if (inspection["sources"].empty()) return "";
  const std::vector<BarPart> parts = shares(inspection["sources"]);
  std::string legend = "<p class=\"legend\">";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    legend += "<span><i class=\"c" + std::to_string(i) + "\"></i>" + escape_html(parts[i].name) +
              " " + parts[i].note + "</span>";
  }
  std::string html = "<section class=\"card\"><h2>Sources</h2>" + bar_to_svg(parts) + legend +
                     "</p>\n" + to_html(sources_table(inspection));
  if (is_shared_by_bytes(inspection)) {
    html +=
        "<p class=\"fine\">Time, energy and cost are the whole's, shared out by bytes of "
        "text.</p>";
  }
  return html + "</section>\n";
}

std::string card(const std::string& heading, const std::string& body) {
  return "<section class=\"card\"><h2>" + escape_html(heading) + "</h2>" + body + "</section>\n";
}

std::string sample_html(const std::string& heading, const Json& text) {
  return "<h3>" + escape_html(heading) + "</h3><pre>" +
         (text.is_string() ? escape_html(text.get<std::string>())
                           : std::string("no tokenizer to read it with")) +
         "</pre>\n";
}

std::string samples_section(const Json& split) {
  std::string html;
  if (split["samples"].is_object()) {
    for (const auto& [which, text] : split["samples"].items()) {
      html += sample_html(which + (which == "longest" ? " (its beginning)" : ""), text);
    }
  }
  for (const Json& group : split["duplicates"]["most"]) {
    html += sample_html(group["copies"].dump() + " copies, " + group["tokens"].dump() + " tokens",
                        group["text"]);
  }
  return html.empty() ? "" : card("Documents", html);
}

// A token of spaces is to be seen too.
std::string with_visible_spaces(const std::string& text) {
  std::string out;
  for (const char c : text) c == ' ' ? out.append("\u2423") : out.append(1, c);
  return out;
}

std::string frequent_html(const Json& split) {
  std::string html = "<p class=\"tokens\">";
  for (const Json& token : split["frequent"]) {
    const std::string text = token["text"].is_string()
                                 ? with_visible_spaces(one_line(token["text"].get<std::string>()))
                                 : "id " + token["id"].dump();
    html +=
        "<span><code>" + escape_html(text) + "</code>" + count_text(token["count"]) + "</span> ";
  }
  return html + "</p>\n";
}

constexpr const char* kOwnStyle = R"css(
section.card,.two{margin-bottom:16px}
.two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px;align-items:start}
.two .card{margin-bottom:0}
.bars td:nth-child(2){width:100%}.bars td:nth-child(2),.bars th:nth-child(2){padding-left:12px}
.bars i{display:block;height:14px;border-radius:3px;min-width:1px}
h3{font-size:14.5px;margin:14px 0 4px;color:var(--soft)}
pre{margin:0;padding:10px 12px;background:var(--back);border:1px solid var(--rule);
border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;
font:13px/1.5 ui-monospace,Menlo,"DejaVu Sans Mono",monospace;max-height:320px;overflow-y:auto}
.card p.tokens{display:flex;flex-wrap:wrap;gap:6px 14px;margin:0;color:var(--soft);font-size:13.5px}
.tokens code{white-space:pre;color:var(--ink);background:var(--back);border:1px solid var(--rule);
border-radius:5px;padding:1px 5px;margin-right:5px;font:13px ui-monospace,Menlo,"DejaVu Sans Mono",
monospace}
.card p.legend{margin:8px 0 10px}
@media(max-width:820px){.two{grid-template-columns:minmax(0,1fr)}}
)css";

}  // namespace

std::string inspection_html(const Json& inspection) {
  const std::string folder = escape_html(inspection["folder"].get<std::string>());
  std::string name;
  const Json& split = shown_split(inspection, name);
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><title>" +
      folder + "</title>\n<style>" + page_parts::kStyle + kOwnStyle +
      "</style></head><body>\n<header><h1>" + folder +
      "</h1><p>Training data, inspected by farthing</p></header>\n<main>\n";
  html += tiles(inspection);
  html += share_section(inspection);
  html += card("Splits", to_html(splits_table(inspection)));
  if (!inspection["dropped"].empty()) {
    html += card("Dropped documents", to_html(dropped_table(inspection)));
  }
  html +=
      "<div class=\"two\">" +
      card("Length of documents, " + name, bars_html(split["histogram"], "documents", "tokens")) +
      card("Ids by how often they occur, " + name,
           bars_html(split["token_histogram"], "ids", "times")) +
      "</div>\n";
  html += card("Windows of " + split["packing"]["sequence_length"].dump() + " tokens, " + name,
               to_html(packing_table(split["packing"])));
  html += card("Most frequent tokens, " + name, frequent_html(split));
  html += samples_section(split);
  return html + "</main>\n<footer>farthing data inspect</footer>\n</body></html>\n";
}

}  // namespace farthing
