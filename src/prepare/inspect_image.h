// Statistics of an image, for `inspect_source`.
#pragma once

#include "cloob/image/image.h"

namespace cloob {

/// The widths, in pixels, of bars of one color along two opposite sides; both zero if there are none.
struct Bars {
  bool vertical = false;  ///< left and right, rather than top and bottom
  int first = 0;          ///< the top or left one
  int second = 0;
  bool exist() const { return first > 0; }
  /// Fraction of the area of an image of this size, 0 to 1.
  double area_fraction(ImageSize size) const;
};

struct ImageStats {
  Bars white;
  Bars black;
  bool one_color = false;  ///< nearly; no bars are reported then, and it does not count as gray
  bool gray = false;
};

/// Analyzes RGB pixels. An image that was reduced while decoding gives the same results, at a lower
/// resolution.
ImageStats analyze_image(const ImageU8& image);

/// The factor (1, 2, 4 or 8) by which an image of this size may be reduced so that bars are still detected.
int reduction_for_analysis(ImageSize size);

}  // namespace cloob
