// page.cpp - a money page put together: tiles, sliders, sections, the sheet itself, sources.
#include "economics/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.h"
#include "report/page.h"
#include "report/table.h"

namespace farthing {
namespace {

std::string bound(const Sheet& sheet, const std::string& id, bool with_range) {
  const SheetLine& line = sheet.at(id);
  std::string text = format_figure(sheet.value(id), line.unit);
  const auto range = with_range ? sheet.range(id) : std::nullopt;
  if (range && range->low < range->high) {
    text += " <small>(" + escape_html(format_figure(*range, line.unit)) + ")</small>";
    return fmt::format("<span data-id=\"{}\" data-range=\"1\">{}</span>", id, text);
  }
  return fmt::format("<span data-id=\"{}\"{}>{}</span>", id, with_range ? " data-range=\"1\"" : "",
                     escape_html(text));
}

// The figure that stands between braces, or nothing.
std::optional<std::string> figure_in_words(const Sheet& sheet, std::string id) {
  const bool wants_range = id.ends_with(":range");
  if (wants_range) id.resize(id.size() - 6);
  if (sheet.find(id) == nullptr) return std::nullopt;
  const auto range = wants_range ? sheet.range(id) : std::nullopt;
  if (!range) return bound(sheet, id, false);
  return fmt::format("<span data-id=\"{}\" data-ends=\"1\">{}</span>", id,
                     escape_html(format_figure(*range, sheet.at(id).unit)));
}

// What no line of the sheet is called stays as it stands, braces and all.
std::string words_html(const Sheet& sheet, const std::string& words) {
  std::string html;
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t open = std::min(words.find('{', at), words.size());
    html += escape_html(words.substr(at, open - at));
    if (open == words.size()) break;
    const std::size_t close = std::min(words.find('}', open), words.size());
    const auto figure = figure_in_words(sheet, words.substr(open + 1, close - open - 1));
    html += figure.value_or(escape_html(words.substr(open, close - open + 1)));
    at = close + 1;
  }
  return html;
}

std::string when_html(const Sheet& sheet, const std::string& when) {
  if (when.empty()) return "";
  return fmt::format(" data-when=\"{}\"{}", when, sheet.value(when) > 0 ? "" : " hidden");
}

std::string sentence_html(const Sheet& sheet, const PageSentence& sentence, const char* tag) {
  return fmt::format("<{}{}>{}</{}>", tag, when_html(sheet, sentence.when),
                     words_html(sheet, sentence.text), tag);
}

std::string cell_html(const Sheet& sheet, const PageCell& cell) {
  if (cell.is_chance) {
    (void)sheet.at(cell.id);
    return fmt::format("<span data-chance=\"{}\">{}</span>", cell.id, escape_html(cell.text));
  }
  if (cell.is_likely) {
    return fmt::format("<span data-likely=\"{}\">{}</span>", cell.id, escape_html(cell.text));
  }
  std::string sentences;
  for (const auto& sentence : cell.sentences) sentences += sentence_html(sheet, sentence, "span");
  if (cell.id.empty()) return escape_html(cell.text) + sentences;
  const std::string from = bound(sheet, cell.id, cell.with_range);
  return cell.to.empty() ? from : from + " to " + bound(sheet, cell.to, cell.with_range);
}

struct SliderScale {
  double low = 0, high = 1, step = 0.01;
};

// Whether some line that has a value as made loses it with this input.
bool breaks(const Sheet& sheet, const std::string& id, double value) {
  for (const auto& [line, found] : sheet.values_with({{id, value}})) {
    if (!std::isfinite(found) && std::isfinite(sheet.value(line))) return true;
  }
  return false;
}

// The end of a slider, or the nearest to it, by halves of its way, that leaves every value.
double sound_end(const Sheet& sheet, const SheetLine& line, double end) {
  constexpr int kTries = 20;
  for (int i = 0; i < kTries && breaks(sheet, line.id, end); ++i) end = (end + line.value) / 2;
  return end;
}

SliderScale scale_of(const Sheet& sheet, const SheetLine& line) {
  SliderScale scale;
  scale.low = std::min(line.low.value_or(line.value), line.value / 2);
  scale.high = std::max(line.high.value_or(line.value), line.value * 2);
  if (line.unit == "share") scale.high = 1;
  if (line.unit == "%") scale.high = 100;
  if (line.id.starts_with("pue")) scale.low = 1;
  scale.low = std::max(scale.low, line.least.value_or(scale.low));
  scale.high = std::min(scale.high, line.most.value_or(scale.high));
  scale.low = sound_end(sheet, line, scale.low);
  scale.high = sound_end(sheet, line, scale.high);
  if (line.whole) scale.low = std::ceil(scale.low);
  if (!(scale.high > scale.low)) scale.high = line.most.value_or(scale.low + 1);
  scale.step = std::pow(10, std::floor(std::log10((scale.high - scale.low) / 100)));
  return scale;
}

std::string sliders(const MoneyPage& page) {
  std::string rows;
  for (const auto& line : page.sheet.lines()) {
    if (!line.slider) continue;
    const SliderScale scale = scale_of(page.sheet, line);
    rows += fmt::format(
        "<label><span>{}</span><output data-id=\"{}\">{}</output><input type=\"range\" "
        "data-slider=\"{}\" min=\"{}\" max=\"{}\" step=\"{}\" value=\"{}\"></label>\n",
        escape_html(line.label), line.id, escape_html(format_figure(line.value, line.unit)),
        line.id, scale.low, scale.high, line.whole ? "1" : "any", line.value);
  }
  if (rows.empty()) return "";
  return "<section class=\"card sliders\" hidden><h2>Change the assumptions</h2>\n<div>" + rows +
         "</div><p><button type=\"button\" id=\"reset\">back to the sources' values</button> "
         "<span id=\"changed\" class=\"fine\"></span></p></section>\n";
}

std::string section_html(const MoneyPage& page, const PageText& text, std::size_t) {
  // A lone sentence that may be hidden takes its heading with it.
  const bool is_lone = text.paragraphs.empty() && text.sentences.size() == 1;
  std::string html = "<section class=\"card prose\"" +
                     (is_lone ? when_html(page.sheet, text.sentences[0].when) : "") + "><h2>" +
                     escape_html(text.heading) + "</h2>\n";
  for (const auto& paragraph : text.paragraphs) html += "<p>" + escape_html(paragraph) + "</p>\n";
  for (const auto& sentence : text.sentences) {
    html += sentence_html(page.sheet, sentence, "p") + "\n";
  }
  return html + "</section>\n";
}

// Sentences beside figures, which a phone shows as blocks, each cell under its heading.
bool is_wordy(const PageTable& table) {
  constexpr std::size_t kLong = 60;
  return std::any_of(table.rows.begin(), table.rows.end(), [](const auto& row) {
    return std::any_of(row.begin(), row.end(),
                       [](const PageCell& cell) { return cell.text.size() > kLong; });
  });
}

std::string section_html(const MoneyPage& page, const PageTable& table, std::size_t) {
  const bool stacks =
      table.stacks || (table.is_prose && is_wordy(table) && table.headings.size() > 2);
  std::string html = fmt::format(
      "<section class=\"card{}{}\"><h2>{}</h2>\n<div class=\"scroll\"><table>",
      table.is_prose ? " prose" : "", stacks ? " stacks" : "", escape_html(table.heading));
  if (!table.headings.empty()) {
    html += "<thead><tr>";  // repeated on every printed page
    for (const auto& heading : table.headings) html += "<th>" + escape_html(heading) + "</th>";
    html += "</tr></thead>\n";
  }
  for (std::size_t n = 0; n < table.rows.size(); ++n) {
    const auto& row = table.rows[n];
    html += "<tr" + when_html(page.sheet, n < table.whens.size() ? table.whens[n] : "") + ">";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool named = stacks && i > 0 && i < table.headings.size() && !table.headings[i].empty();
      const char* kind = row[i].text == "\xE2\x80\x93" ? " class=\"out\"" : "";
      html += std::string("<td") + kind +
              (named ? " data-h=\"" + escape_html(table.headings[i]) + "\">" : ">") +
              cell_html(page.sheet, row[i]) + "</td>";
    }
    html += "</tr>\n";
  }
  html += "</table></div>";
  if (!table.note.empty()) html += "<p class=\"fine\">" + escape_html(table.note) + "</p>";
  return html + "</section>\n";
}

std::string section_html(const MoneyPage&, const PageChart& chart, std::size_t index) {
  return fmt::format(
      "<figure class=\"money\" data-chart=\"{}\"><figcaption>{}<button type=\"button\" "
      "class=\"save\">"
      "save as SVG</button></figcaption><svg role=\"img\" aria-label=\"{}\"></svg>{}"
      "<noscript><p>This chart needs the page's script; its numbers stand in the "
      "tables.</p></noscript>"
      "</figure>\n",
      index, escape_html(chart.heading), escape_html(chart.heading),
      chart.note.empty() ? "" : "<p class=\"fine\">" + escape_html(chart.note) + "</p>");
}

std::string sheet_html(const Sheet& sheet) {
  std::string html =
      "<details class=\"card prose stacks\"><summary>How every number is made</summary>\n<div "
      "class=\"scroll\">"
      "<table><thead><tr><th>name</th><th>what</th><th>value</th><th>formula, or source</th></tr>"
      "</thead>\n";
  for (const auto& id : sheet.order()) {
    const SheetLine& line = sheet.at(id);
    if (line.condition) continue;
    std::string from = line.formula.empty() ? line.source : "= " + line.formula;
    if (!line.formula.empty() && !line.source.empty()) from += "; " + line.source;
    for (const auto* more : {&line.date, &line.confidence, &line.note}) {
      if (!more->empty() && *more != "published") from += ", " + *more;
    }
    html += fmt::format("<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>\n", id,
                        escape_html(line.label), bound(sheet, id, line.formula.empty()),
                        escape_html(from));
  }
  return html + "</table></div></details>\n";
}

Json chart_json(const MoneyPage& page, const PageChart& chart) {
  Json items = Json::array();
  for (const auto& item : chart.items) {
    const bool is_free = chart.kind == "lines" && item.id.empty();
    const std::string known = is_free ? "" : page.sheet.at(item.id).label;
    items.push_back({{"id", item.id},
                     {"label", item.label.empty() ? known : item.label},
                     {"total", item.is_total},
                     {"stated", item.is_stated}});
    if (!item.to.empty()) items.back()["to"] = page.sheet.at(item.to).id;
    if (!item.words.empty()) items.back()["words"] = item.words;
    for (const CurveKnot& knot : item.points) items.back()["points"].push_back({knot.x, knot.y});
  }
  if (!chart.target.empty()) (void)page.sheet.at(chart.target);
  if (!chart.x.empty() && chart.kind != "lines") (void)page.sheet.at(chart.x);
  return {{"kind", chart.kind},    {"heading", chart.heading},
          {"items", items},        {"target", chart.target},
          {"x", chart.x},          {"xLow", chart.x_low},
          {"xHigh", chart.x_high}, {"unit", chart.unit}};
}

std::string script_data(const MoneyPage& page) {
  Json charts = Json::object();
  for (std::size_t i = 0; i < page.sections.size(); ++i) {
    if (const auto* chart = std::get_if<PageChart>(&page.sections[i])) {
      charts[std::to_string(i)] = chart_json(page, *chart);
    }
  }
  const Json json = {{"title", page.title},
                     {"sheet", page.sheet.to_json()},
                     {"charts", charts},
                     {"draws", {{"ids", page.draws.ids}, {"rows", page.draws.rows}}}};
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) {
    text.replace(at, 1, "\\u003c");  // no "</script>" can end it early
  }
  return text;
}

std::string citation(const MoneyPage& page) {
  return fmt::format(
      "farthing, \"{}\", calculated {}{}. Sources: {}", page.title, page.made_on,
      page.command.empty() ? "" : " with `" + page.command + "`",
      page.sources.empty()
          ? "the page's own list"
          : page.sources.front() +
                (page.sources.size() > 1
                     ? fmt::format(" and {} more, listed on the page", page.sources.size() - 1)
                     : ""));
}

std::string header_html(const MoneyPage& page) {
  const std::string& heading = page.heading.empty() ? page.title : page.heading;
  std::string html = "<header><h1>" + words_html(page.sheet, heading) + "</h1>";
  if (!page.answer.empty()) {
    html += "<p>" + escape_html(page.answer) +
            "</p><p class=\"fine\" id=\"asked\" hidden>So far the words of the sources; the "
            "figures below are the reader's.</p>";
  }
  for (const auto& sentence : page.says) html += sentence_html(page.sheet, sentence, "p");
  return html + "</header>\n";
}

std::string tiles_html(const MoneyPage& page) {
  if (page.tiles.empty()) return "";
  std::string html = "<div class=\"tiles\">";
  for (const auto& id : page.tiles) {
    html += "<div class=\"tile\"><b>" + bound(page.sheet, id, false) + "</b><span>" +
            escape_html(page.sheet.at(id).label) + "</span></div>\n";
  }
  return html + "</div>\n";
}

std::string sources_html(const MoneyPage& page) {
  std::string html = "<section class=\"card prose\"><h2>Sources</h2><ol>";
  for (const auto& source : page.sources) html += "<li>" + escape_html(source) + "</li>\n";
  html += "</ol><p class=\"cite\"><q>" + escape_html(citation(page)) +
          "</q> <button type=\"button\" id=\"cite\">cite</button></p>";
  if (!page.command.empty()) {
    html += "<p class=\"fine\">Made again by <code>" + escape_html(page.command) +
            " --html FILE</code></p>";
  }
  return html + "</section>\n";
}

}  // namespace

std::string to_html(const MoneyPage& page) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";
  html += escape_html(page.title) + "</title>\n<style>" + page_parts::kStyle + money_parts::kStyle +
          "</style></head><body class=\"moneypage\">\n" + header_html(page) + "<main>\n" +
          tiles_html(page) + sliders(page);
  for (std::size_t i = 0; i < page.sections.size(); ++i) {
    html += std::visit([&](const auto& section) { return section_html(page, section, i); },
                       page.sections[i]);
  }
  html += sheet_html(page.sheet) + sources_html(page) +
          "</main>\n<footer>farthing knows what every token cost</footer>\n<div id=\"tip\" "
          "hidden></div>"
          "<script type=\"application/json\" id=\"page-data\">" +
          script_data(page) + "</script>\n<script>" + page_parts::kTicksScript +
          money_parts::kSheetScript + money_parts::kPageScript + "</script>\n</body></html>\n";
  return html;
}

}  // namespace farthing
