#include "cli/model_identity.h"

#include <filesystem>
#include <system_error>

#include "cloob/checkpoint/checkpoint.h"
#include "cloob/run/model_file.h"
#include "cloob/run/model_hash.h"

namespace cloob {

IndexModel identity_of(const OpenedModel& opened, const std::string& checkpoint) {
  std::error_code ignored;
  const std::filesystem::path path =
      std::filesystem::weakly_canonical(resolve_checkpoint(checkpoint).path, ignored);
  return {.hash = model_hash(opened.loaded),
          .name = model_name(opened.loaded.config.model),
          .checkpoint = path.string()};
}

}  // namespace cloob
