#include "run/untold_settings.h"

namespace cloob {

// From ProtoCLIP's model.py, which has QuickGELU whatever its settings say, transform.py and tokenizer.py.
UntoldSettings protoclip_settings() {
  UntoldSettings settings{.origin = "ProtoCLIP's code", .activation = Activation::quick_gelu};
  settings.image.resize_before_rgb = true;
  settings.text.truncation = Truncation::cut;
  return settings;
}

}  // namespace cloob
