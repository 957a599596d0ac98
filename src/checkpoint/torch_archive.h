// What a file of torch.save or torch.jit.save contains, without the elements of its tensors.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/pickle_builder.h"
#include "checkpoint/zip_archive.h"

namespace cloob {

/// One opened archive, its pickle executed. Throws UserError.
struct TorchArchive {
  explicit TorchArchive(const std::filesystem::path& path);

  std::string file;  ///< for messages
  ZipArchive archive;
  std::string folder;  ///< common prefix of all entries; ends in '/'
  PickleArena arena;
  PickleValue root;  ///< what the pickle builds; points into `arena`

 private:
  void find_folder();
  void check_byte_order() const;
  void run();
};

}  // namespace cloob
