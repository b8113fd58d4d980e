// formula.h - arithmetic on named quantities, as text that anyone may have written.
//
//   sum     := product (("+" | "-") product)*
//   product := sign (("*" | "/") sign)*
//   sign    := ("-" | "+") sign | power
//   power   := atom (("**" | "^") sign)?            right-associative, binds above the sign
//   atom    := number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
//
// Functions: min max (two or more), sqrt exp ln log10 abs floor ceil pow, if(c, a, b): a when c >
// 0, known(a, b): a where it is a finite number, else b. Nothing else can be named, read or called,
// so a stranger's formula is safe to evaluate.
//
// Errors   Error{kBadInput} with place, column and what was wanted; texts over 4096 bytes, nesting
//          over 64 and more than 1000 operations are refused.  Evaluation never throws: 1/0 is
//          infinite and what has no value is NaN, as IEEE 754 has it.
// Exact    evaluated in double, left to right; the pages' script runs the same postfix program.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace farthing {

class Formula {
 public:
  Formula() = default;  // of nothing: NaN
  static Formula parse(std::string_view text, const std::string& where);

  const std::string& text() const { return text_; }
  bool empty() const { return program_.empty(); }
  // The names of quantities, each once, in order of appearance.
  const std::vector<std::string>& names() const { return names_; }
  double evaluate(const std::function<double(const std::string& name)>& value_of) const;

  // The postfix program for the pages' script: a number is pushed; ["name"] pushes its value; "+2"
  // is a code and how many it takes from the stack.
  Json program() const;

 private:
  friend class FormulaParser;
  struct Operation {
    char code = 'n';  // n number, v name, else an operator or function of kFunctions
    int index = 0;    // of the name; number of arguments of a function
    double number = 0;
  };
  std::string text_;
  std::vector<std::string> names_;
  std::vector<Operation> program_;
};

}  // namespace farthing
