#pragma once

#include <filesystem>
#include <functional>

namespace cloob {

/// Lets `write` fill a folder beside `folder` and moves it there when it is complete, so that a folder that
/// is there is whole. Throws UserError, also when `folder` is there and not empty; nothing is left then.
void write_new_folder(const std::filesystem::path& folder,
                      const std::function<void(const std::filesystem::path& partial)>& write);

}  // namespace cloob
