// page.h - an answer about money as one self-contained HTML page that can be recalculated.
//
//   MoneyPage page;
//   page.title = "What did DeepSeek-V3 cost?";
//   page.sheet = sheet;                       quantities and formulas; the script has them all
//   page.tiles = {"official", "owned"};       figures at the top, by id
//   page.add(PageTable{...}); page.add(PageChart{...}); page.add(PageText{...});
//   write_file_atomically("answer.html", to_html(page));
//
// Every line of the sheet with `slider` becomes a slider; moving one recalculates every figure,
// sentence, cell and chart that is bound to an id, offline, by the same postfix programs as
// Formula::evaluate.  Text without ids states only what no slider changes, or says of whom it is.
// Without its script the page shows the tables with the values as they were made.  Charts save as
// SVG; "cite" copies a reference.  No file, font or address outside the page.
//
// Errors   CHECK: an id that is not in the sheet.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "economics/sheet.h"

namespace farthing {

// Words with {id} as a figure of the sheet and {id:range} as its range; shown only while the line
// `when` is above zero, where it names one.
struct PageSentence {
  std::string text;
  std::string when = {};
};

// Plain text, or a figure of the sheet (id not empty; `with_range` adds its low and high; `to` is
// the upper end of a range of two figures; `is_likely`: P10 to P90 of draws, `is_chance`: the share
// of the page's draws in which the line is above zero, `text` as it was made), or sentences.
struct PageCell {
  std::string text;
  std::string id = {};
  bool with_range = false;
  std::string to = {};
  std::vector<PageSentence> sentences = {};
  bool is_likely = false;
  bool is_chance = false;
};
inline PageCell chance_cell(const std::string& id, const std::string& as_made) {
  PageCell cell;
  cell.text = as_made, cell.id = id, cell.is_chance = true;
  return cell;
}
inline PageCell figure_cell(const std::string& id, bool with_range = false) {
  PageCell cell;
  cell.id = id, cell.with_range = with_range;
  return cell;
}

struct PageText {
  std::string heading;
  std::vector<std::string> paragraphs;
  std::vector<PageSentence> sentences = {};
};

// `whens`, by row: shown only while that line is above zero; "" or absent: always.
struct PageTable {
  std::string heading;
  std::vector<std::string> headings = {};
  std::vector<std::vector<PageCell>> rows = {};
  std::vector<std::string> whens = {};
  std::string note = {};
  bool is_prose = false;  // cells wrap and align to the left
  bool stacks = false;    // on a phone every row is a block of lines; wordy tables are so anyhow
};

struct PageChartItem {
  std::string id;
  std::string label = {};              // default: the line's
  bool is_total = false;               // of a waterfall: drawn from zero
  bool is_stated = false;              // of bars: no whisker, whoever stated it gave no range
  std::string to = {}, words = {};     // of spans: the upper end's id; instead of the figures
  std::vector<CurveKnot> points = {};  // of lines
};

// bars       horizontal, one per item, with whiskers where it has a range
// waterfall  each item adds to the one before; items with is_total stand on the ground
// factors    each item multiplies, on a logarithmic axis
// spans      each item from one figure to another, on a logarithmic axis
// tornado    how far each ranged input moves `target`
// curve      every item over the input `x` from x_low to x_high
// lines      every item's points, x times the figure `id` where it names one; the axis of `unit`
//            is called `x`
struct PageChart {
  std::string kind;
  std::string heading;
  std::vector<PageChartItem> items = {};
  std::string target = {};
  std::string x = {};
  double x_low = 0, x_high = 1;
  std::string note = {};
  std::string unit = {};
};

// Cases for chances: in each of `rows` the inputs `ids` have its values.
struct PageDraws {
  std::vector<std::string> ids;
  std::vector<std::vector<double>> rows;
};

using PageSection = std::variant<PageText, PageTable, PageChart>;

struct MoneyPage {
  std::string title;
  std::string heading = {};             // the title with {id}; empty: the title
  std::string answer;                   // a sentence or two under the title: of the sources
  std::vector<PageSentence> says = {};  // under it: these follow the sliders
  std::vector<std::string> tiles;       // ids
  Sheet sheet;                          // finished
  PageDraws draws = {};
  std::vector<PageSection> sections;
  std::vector<std::string> sources;
  std::string made_on;  // YYYY-MM-DD
  std::string command;  // that makes the page again
  void add(PageSection section) { sections.push_back(std::move(section)); }
};

std::string to_html(const MoneyPage& page);

namespace money_parts {
extern const char* const kStyle;
extern const char* const kSheetScript;  // evaluation and number formats: no document needed
extern const char* const kPageScript;   // sliders, charts, saving, citing
}  // namespace money_parts

}  // namespace farthing
