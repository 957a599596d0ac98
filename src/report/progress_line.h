#pragma once

#include <string>

#include "cloob/report/progress.h"

namespace cloob {

/// What the terminal can show.
struct LineStyle {
  int columns = 80;
  bool unicode = true;
  bool color = true;
};

/// The bar: at most `columns - 1` characters wide, so that no terminal wraps it. What does not fit is left
/// out, the least important first: epoch, data wait, samples/s, time left, loss.
std::string progress_bar(const Progress& progress, const LineStyle& style);

/// The same figures as one sentence for a log.
std::string progress_sentence(const Progress& progress);

}  // namespace cloob
