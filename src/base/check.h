// check.h - CHECK(condition): a fault of the code, always on, shows both values of a comparison.
//
//   CHECK(n_rows == y.n_rows);      ->  Error "rmsnorm.cpp:12: CHECK(n_rows == y.n_rows): 3 vs 4"
//   CHECK(n_rows > 0, "no rows");   ->  the words are appended
//
// DCHECK is the same in builds without NDEBUG, and nothing otherwise: for loops.
#pragma once
#include <sstream>
#include <string>
#include <string_view>

namespace farthing::check_detail {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

template <class T>
void print(std::ostream& out, const T& value) {
  if constexpr (Printable<T>) {
    out << value;
  } else {
    out << "?";
  }
}

struct Verdict {
  Verdict(bool condition) : holds(condition) {}  // of a && b, which keeps no values
  Verdict(bool condition, std::string both) : holds(condition), values(std::move(both)) {}
  explicit operator bool() const { return holds; }

  bool holds;
  std::string values;  // "3 vs 4", filled only when it does not hold
};

template <class T>
struct Left {
  const T& left;
  template <class U>
  Verdict verdict(bool holds, const U& right) const {
    if (holds) return {true, {}};
    std::ostringstream out;
    print(out, left);
    out << " vs ";
    print(out, right);
    return {false, out.str()};
  }
  template <class U>
  Verdict operator==(const U& r) const {
    return verdict(left == r, r);
  }
  template <class U>
  Verdict operator!=(const U& r) const {
    return verdict(left != r, r);
  }
  template <class U>
  Verdict operator<(const U& r) const {
    return verdict(left < r, r);
  }
  template <class U>
  Verdict operator<=(const U& r) const {
    return verdict(left <= r, r);
  }
  template <class U>
  Verdict operator>(const U& r) const {
    return verdict(left > r, r);
  }
  template <class U>
  Verdict operator>=(const U& r) const {
    return verdict(left >= r, r);
  }
  operator Verdict() const { return static_cast<bool>(left); }  // a lone condition
  explicit operator bool() const { return static_cast<bool>(left); }
};

struct Split {
  template <class T>
  Left<T> operator<<(const T& left) const {
    return {left};
  }
};

[[noreturn]] void fail(const char* file, int line, const char* condition, const std::string& values,
                       std::string_view words);

}  // namespace farthing::check_detail

#define CHECK(condition, ...)                                                            \
  do {                                                                                   \
    const ::farthing::check_detail::Verdict verdict_ = ::farthing::check_detail::Split{} \
                                                       << condition;                     \
    if (!verdict_.holds) [[unlikely]] {                                                  \
      ::farthing::check_detail::fail(__FILE__, __LINE__, #condition, verdict_.values,    \
                                     ::std::string_view{__VA_ARGS__});                   \
    }                                                                                    \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition, ...) \
  do {                         \
  } while (false)
#else
#define DCHECK(condition, ...) CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#endif
