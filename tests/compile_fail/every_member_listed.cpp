// Compiles: the twin of missing_member.cpp, which shows that its failure is the missing member's.
#include <tuple>

#include "cloob/config/field.h"

struct ExampleConfig {
  double lr = 5e-4;
  bool enabled = true;

  static constexpr auto fields() {
    return std::tuple(cloob::field("lr", &ExampleConfig::lr, "Peak learning rate."),
                      cloob::field("enabled", &ExampleConfig::enabled, "Whether it is on."));
  }
};
static_assert(cloob::lists_every_member<ExampleConfig>);
