// A file of settings.
#include <string_view>

#include "cloob/base/error.h"
#include "fuzz_support.h"
#include "unit/config/example_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloob;
  using namespace cloob::testing;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const ExampleConfig config = read_text(text);
    fuzz::require(read_text(print_config(config)) == config, "printed settings are read back unchanged");
  } catch (const UserError& error) {
    fuzz::require(std::string_view(error.what()).find(':') != std::string_view::npos,
                  "an error says where it is");
  }
  return 0;
}
