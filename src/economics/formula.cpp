// formula.cpp - a recursive descent into a postfix program, and its stack machine.
#include "economics/formula.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace farthing {
namespace {

constexpr std::size_t kLongest = 4096;
constexpr std::size_t kMostOperations = 1000;
constexpr int kDeepestNesting = 64;
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

struct Function {
  const char* name;
  char code;
  int least, most;  // arguments
};
constexpr std::array<Function, 12> kFunctions = {{{"min", 'm', 2, 100},
                                                  {"max", 'M', 2, 100},
                                                  {"sqrt", 'q', 1, 1},
                                                  {"exp", 'e', 1, 1},
                                                  {"ln", 'l', 1, 1},
                                                  {"log10", 'L', 1, 1},
                                                  {"abs", 'a', 1, 1},
                                                  {"floor", 'f', 1, 1},
                                                  {"ceil", 'c', 1, 1},
                                                  {"if", '?', 3, 3},
                                                  {"known", 'k', 2, 2},
                                                  {"pow", '^', 2, 2}}};

const Function* find_function(std::string_view name) {
  for (const auto& function : kFunctions) {
    if (name == function.name) return &function;
  }
  return nullptr;
}

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

class FormulaParser {
 public:
  FormulaParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Formula parse() {
    if (text_.size() > kLongest) fail("fewer than 4096 characters");
    formula_.text_ = std::string(text_);
    sum();
    if (peek() != '\0' || at_ < text_.size()) fail("an operator, or the end");
    return std::move(formula_);
  }

 private:
  [[noreturn]] void fail(const std::string& wanted) const {
    const auto rest = text_.substr(std::min(at_, text_.size()), 20);
    throw_bad_input({where_, fmt::format("formula, column {}", at_ + 1),
                     rest.empty() ? "its end" : fmt::format("\"{}\"", rest), wanted, ""});
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void emit(char code, int index = 0, double number = 0) {
    if (formula_.program_.size() >= kMostOperations) fail("at most 1000 operations");
    formula_.program_.push_back({code, index, number});
  }

  void sum() {
    product();
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      ++at_;
      product();
      emit(c);
    }
  }
  void product() {
    sign();
    for (char c = peek(); c == '/' || (c == '*' && !is_power()); c = peek()) {
      ++at_;
      sign();
      emit(c);
    }
  }
  bool is_power() const { return text_.substr(at_, 2) == "**"; }
  void sign() {
    if (++depth_ > kDeepestNesting) fail("nesting of at most 64");
    if (take('-')) {
      sign();
      emit('~');
    } else if (take('+')) {
      sign();
    } else {
      power();
    }
    --depth_;
  }
  void power() {
    atom();
    const char c = peek();
    if (c != '^' && !(c == '*' && is_power())) return;
    at_ += c == '^' ? 1 : 2;
    sign();
    emit('^', 2);
  }
  void atom() {
    const char c = peek();
    if (take('(')) {
      sum();
      if (!take(')')) fail("\")\"");
    } else if (is_digit(c) || c == '.') {
      number();
    } else if (is_name_start(c)) {
      name();
    } else {
      fail("a number, a name or \"(\"");
    }
  }
  // Digits, point and exponent only: no "inf", no "0x".
  void number() {
    std::size_t end = at_;
    while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '.')) ++end;
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      if (exponent < text_.size() && is_digit(text_[exponent])) {
        end = exponent;
        while (end < text_.size() && is_digit(text_[end])) ++end;
      }
    }
    const std::string digits(text_.substr(at_, end - at_));
    char* stop = nullptr;
    const double value = std::strtod(digits.c_str(), &stop);
    if (stop != digits.c_str() + digits.size() || !std::isfinite(value)) fail("a number");
    at_ = end;
    emit('n', 0, value);
  }
  void name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
    const std::string word(text_.substr(begin, at_ - begin));
    if (peek() == '(') return call(word, begin);
    auto& names = formula_.names_;
    const auto found = std::find(names.begin(), names.end(), word);
    const auto index = static_cast<int>(found - names.begin());
    if (found == names.end()) names.push_back(word);
    emit('v', index);
  }
  void call(const std::string& word, std::size_t begin) {
    const Function* function = find_function(word);
    if (function == nullptr) {
      at_ = begin;
      fail("min, max, sqrt, exp, ln, log10, abs, floor, ceil, if or pow");
    }
    take('(');
    int n = 0;
    do {
      sum();
      ++n;
    } while (take(','));
    if (!take(')')) fail("\",\" or \")\"");
    if (n < function->least || n > function->most) {
      at_ = begin;
      fail(fmt::format("{} arguments of {}", function->least, word));
    }
    emit(function->code, n);
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
  int depth_ = 0;
  Formula formula_;
};

namespace {

double apply(char code, const double* a, int n) {
  switch (code) {
    case '+':
      return a[0] + a[1];
    case '-':
      return a[0] - a[1];
    case '*':
      return a[0] * a[1];
    case '/':
      return a[0] / a[1];
    case '^':
      return std::pow(a[0], a[1]);
    case '~':
      return -a[0];
    case 'q':
      return std::sqrt(a[0]);
    case 'e':
      return std::exp(a[0]);
    case 'l':
      return std::log(a[0]);
    case 'L':
      return std::log10(a[0]);
    case 'a':
      return std::abs(a[0]);
    case 'f':
      return std::floor(a[0]);
    case 'c':
      return std::ceil(a[0]);
    case '?':
      return std::isnan(a[0]) ? kNothing : a[0] > 0 ? a[1] : a[2];
    case 'k':
      return std::isfinite(a[0]) ? a[0] : a[1];
    default:
      break;
  }
  double best = a[0];  // min, max: unknown when any is
  for (int i = 1; i < n; ++i) {
    if (std::isnan(a[i]) || std::isnan(best)) return kNothing;
    best = code == 'm' ? std::min(best, a[i]) : std::max(best, a[i]);
  }
  return best;
}

int n_arguments(char code, int index) {
  if (code == '~') return 1;
  return code == '+' || code == '-' || code == '*' || code == '/' ? 2 : index;
}

}  // namespace

Formula Formula::parse(std::string_view text, const std::string& where) {
  return FormulaParser(text, where).parse();
}

double Formula::evaluate(const std::function<double(const std::string& name)>& value_of) const {
  if (program_.empty()) return kNothing;
  std::vector<double> stack;
  stack.reserve(program_.size());
  for (const Operation& operation : program_) {
    if (operation.code == 'n') {
      stack.push_back(operation.number);
    } else if (operation.code == 'v') {
      stack.push_back(value_of(names_[static_cast<std::size_t>(operation.index)]));
    } else {
      const int n = n_arguments(operation.code, operation.index);
      const std::size_t base = stack.size() - static_cast<std::size_t>(n);
      const double result = apply(operation.code, stack.data() + base, n);
      stack.resize(base);
      stack.push_back(result);
    }
  }
  return stack.back();
}

Json Formula::program() const {
  Json json = Json::array();
  for (const Operation& operation : program_) {
    if (operation.code == 'n') {
      json.push_back(operation.number);
    } else if (operation.code == 'v') {
      json.push_back(Json::array({names_[static_cast<std::size_t>(operation.index)]}));
    } else {
      json.push_back(
          fmt::format("{}{}", operation.code, n_arguments(operation.code, operation.index)));
    }
  }
  return json;
}

}  // namespace farthing
