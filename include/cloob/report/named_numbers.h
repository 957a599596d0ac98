#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cloob {

/// Numbers by name, in output order: the metrics of one step, the result of an evaluation.
using NamedNumbers = std::vector<std::pair<std::string, double>>;

/// A JSON object on one line, keys in the given order.
///
/// Every number is printed with the fewest digits that parse back to the same double; integers have no
/// fraction. JSON has neither NaN nor infinity: both are written as null.
std::string to_json(const NamedNumbers& numbers);

}  // namespace cloob
