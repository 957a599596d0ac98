#include "cli/model_identity.h"

#include <filesystem>
#include <system_error>

#include "cloob/base/error.h"
#include "cloob/checkpoint/checkpoint.h"
#include "cloob/run/model_file.h"
#include "cloob/run/model_hash.h"

namespace cloob {

IndexModel identity_of(const OpenedModel& opened, const std::string& checkpoint) {
  if (opened.loaded.is_refined()) {
    throw_user_error(
        "the features of '{}' are refined with a memory (task.kind reco): name the checkpoint that it was trained from, "
        "train.initial_weights",
        checkpoint);
  }
  return identity_of_towers(opened, checkpoint);
}

IndexModel identity_of_towers(const OpenedModel& opened, const std::string& checkpoint) {
  std::error_code ignored;
  const std::filesystem::path path =
      std::filesystem::weakly_canonical(resolve_checkpoint(checkpoint).path, ignored);
  return {.hash = model_hash(opened.loaded),
          .name = model_name(opened.loaded.config.model),
          .checkpoint = path.string()};
}

}  // namespace cloob
