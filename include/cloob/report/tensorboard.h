#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// Writes one TensorBoard event file. Each call writes to the file before it returns, so `tensorboard
/// --logdir` can follow a run live and a killed run loses nothing. Not thread-safe. Throws UserError (for
/// example when the disk is full).
class TensorBoardWriter {
 public:
  /// Opens a new file in `folder`, which is created if missing. With `resumed_after_step`, TensorBoard
  /// discards what the files of the interrupted run contain about later steps.
  TensorBoardWriter(const std::filesystem::path& folder, std::optional<std::int64_t> resumed_after_step);
  ~TensorBoardWriter();
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;

  void write_scalars(std::int64_t step, const NamedNumbers& numbers);
  /// `png` is the content of a PNG file.
  void write_image(std::int64_t step, const std::string& tag, std::string_view png);

 private:
  std::unique_ptr<class AppendFile> file_;
};

}  // namespace cloob
