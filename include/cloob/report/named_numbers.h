#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cloob {

/// Numbers by name, in the order in which they are written: the metrics of one step, the result of an
/// evaluation.
using NamedNumbers = std::vector<std::pair<std::string, double>>;

/// One JSON object on one line, keys in the given order.
///
/// Every number is printed with the fewest digits that read back as the same double; whole numbers have no
/// fraction. JSON knows neither NaN nor infinity: both are written as null.
std::string to_json(const NamedNumbers& numbers);

}  // namespace cloob
