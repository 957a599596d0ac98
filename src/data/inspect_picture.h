// What a picture looks like, for `inspect_source`.
#pragma once

#include "cloob/image/image.h"

namespace cloob {

/// Bars of one colour along two opposite sides, as widths in pixels; both zero where there are none.
struct Bars {
  bool beside = false;  ///< left and right, rather than above and below
  int first = 0;        ///< the one above or left
  int second = 0;
  bool exist() const { return first > 0; }
  /// Of the area of a picture of this size, 0 to 1.
  double share(ImageSize size) const;
};

struct PictureLook {
  Bars white;
  Bars black;
  bool one_color = false;  ///< nearly; it then has no bars and is not grey
  bool gray = false;
};

/// Looks at RGB pixels. A picture that was reduced when it was decoded shows the same, in coarser steps.
PictureLook look_at_picture(const ImageU8& image);

/// By how much (1, 2, 4 or 8) a picture of this size may be reduced and still shows its bars well enough.
int reduction_to_look(ImageSize size);

}  // namespace cloob
