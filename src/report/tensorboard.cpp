#include "cloob/report/tensorboard.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "cloob/base/files.h"
#include "cloob/base/host_name.h"
#include "cloob/base/text.h"
#include "report/append_file.h"
#include "report/event_encoding.h"

namespace cloob {
namespace {

constexpr std::string_view kFilePrefix = "events.out.tfevents.";

double wall_time_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// TensorBoard reads the files of a folder in the order of their names, which begin with a time in seconds.
// The file of a resumed run must sort after those it continues, even within the same second or after the
// clock was set back.
std::int64_t time_after_existing_files(const std::filesystem::path& folder) {
  auto time = static_cast<std::int64_t>(wall_time_now());
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kFilePrefix)) continue;
    const auto existing_time = parse_integer(
        name.substr(kFilePrefix.size(), name.find('.', kFilePrefix.size()) - kFilePrefix.size()));
    if (existing_time) time = std::max(time, *existing_time + 1);
  }
  return time;
}

std::filesystem::path new_file_path(const std::filesystem::path& folder) {
  make_directories(folder);
  return folder / fmt::format("{}{:010}.{}.{}", kFilePrefix, time_after_existing_files(folder), host_name(),
                              ::getpid());
}

}  // namespace

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder,
                                     std::optional<std::int64_t> resumed_after_step)
    : file_(std::make_unique<AppendFile>(new_file_path(folder))) {
  file_->append(frame_record(version_event(wall_time_now())));
  if (resumed_after_step)
    file_->append(frame_record(session_start_event(wall_time_now(), *resumed_after_step + 1)));
}

TensorBoardWriter::~TensorBoardWriter() = default;

void TensorBoardWriter::write_scalars(std::int64_t step, const NamedNumbers& numbers) {
  file_->append(frame_record(scalars_event(wall_time_now(), step, numbers)));
}

void TensorBoardWriter::write_image(std::int64_t step, const std::string& tag, std::string_view png) {
  file_->append(frame_record(image_event(wall_time_now(), step, tag, png)));
}

}  // namespace cloob
