#pragma once

#include <string>

#include "cloob/report/progress.h"

namespace cloob {

/// Capabilities of the terminal.
struct LineStyle {
  int columns = 80;
  bool unicode = true;
  bool color = true;
};

/// The bar, at most `columns - 1` characters wide, so that no terminal wraps it. If it does not fit, figures
/// are omitted, the least important first: epoch, data wait, bound, samples/s, time left, loss.
std::string progress_bar(const Progress& progress, const LineStyle& style);

/// The same figures as one line of text for a log.
std::string progress_sentence(const Progress& progress);

}  // namespace cloob
