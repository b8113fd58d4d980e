// receipt_fields.h - what stands at a JSON pointer of a receipt, where anything of its kind does.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/json.h"

namespace farthing {

// Keeps a reference: the receipt must live as long.
class ReceiptFields {
 public:
  explicit ReceiptFields(const Json& receipt) : receipt_(receipt) {}

 protected:
  const Json* at(const std::string& pointer) const {
    const Json::json_pointer path(pointer);
    return receipt_.contains(path) ? &receipt_.at(path) : nullptr;
  }
  std::optional<double> number(const std::string& pointer) const {
    const Json* value = at(pointer);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->get<double>();
  }
  std::string text(const std::string& pointer) const {
    const Json* value = at(pointer);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
  }

  const Json& receipt_;
};

}  // namespace farthing
