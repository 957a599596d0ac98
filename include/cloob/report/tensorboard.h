#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cloob/report/named_numbers.h"

namespace cloob {

/// Writes one TensorBoard event file. Each call reaches the file before it returns, so `tensorboard --logdir`
/// follows a run live and a killed run loses nothing. Not thread-safe. Throws UserError (disk full and the
/// like).
class TensorBoardWriter {
 public:
  /// Opens a new file in `folder`, which is created when absent. A run resumed after step s gives s:
  /// TensorBoard then forgets what the files of the stopped run say about later steps.
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
