// Must not compile: fields() forgets `enabled`.
#include <tuple>

#include "cloob/config/field.h"

struct ExampleConfig {
  double lr = 5e-4;
  bool enabled = true;

  static constexpr auto fields() {
    return std::tuple(cloob::field("lr", &ExampleConfig::lr, "Peak learning rate."));
  }
};
static_assert(cloob::lists_every_member<ExampleConfig>);
