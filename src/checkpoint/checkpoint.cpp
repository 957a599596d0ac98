#include "cloob/checkpoint/checkpoint.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <ranges>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "checkpoint/checkpoint_files.h"
#include "checkpoint/safetensors_digest.h"
#include "checkpoint/sharded_training_files.h"
#include "checkpoint/state_file.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/staged_folder.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/checkpoint_store.h"

namespace cloob {
namespace {

namespace fs = std::filesystem;

bool belongs_to_task(std::string_view name) {
  return std::ranges::find(kTrainerOwners, name.substr(0, name.find('.'))) == kTrainerOwners.end();
}

FileDigest digest_text(std::string_view text) {
  FileDigest digest;
  digest.update(std::as_bytes(std::span(text.data(), text.size())));
  return digest;
}

FileDigest write_text_file(const fs::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
  return digest_text(text);
}

void verify(const fs::path& path, const FileDigest& found, const FileDigest& written) {
  const auto count = [](std::uint64_t bytes) { return with_thousands(static_cast<std::int64_t>(bytes)); };
  if (found.bytes != written.bytes) {
    throw_user_error("'{}' is {}: it has {} bytes and {} were written", path.string(),
                     found.bytes < written.bytes ? "truncated" : "damaged", count(found.bytes),
                     count(written.bytes));
  }
  if (found.crc32 != written.crc32)
    throw_user_error("'{}' is damaged: its checksum does not match", path.string());
}

/// Reads the files of one folder and verifies each against its digest.
class Reader {
 public:
  explicit Reader(fs::path folder) : folder_(std::move(folder)), content_(read_state_file(folder_)) {}

  const TrainingState& state() const { return content_.state; }
  bool has(const std::string& name) const { return content_.files.contains(name); }

  SafetensorsFile tensors(const std::string& name) const {
    const FileDigest& written = expect_size(name);
    FileDigest found;
    SafetensorsFile file = read_safetensors(folder_ / name, found);
    verify(folder_ / name, found, written);
    return file;
  }
  std::string text(const char* name) const {
    const FileDigest& written = expect_size(name);
    std::string content = read_file(folder_ / name);
    verify(folder_ / name, digest_text(content), written);
    return content;
  }
  /// Including the parts of several ranks.
  NamedTensors training() const {
    NamedTensors all;
    if (has(kTrainingFile)) all = tensors(kTrainingFile).tensors;
    JoinedParts parts;
    for (const std::string& name : training_parts_among(content_.files, folder_)) {
      SafetensorsFile part = tensors(name);
      parts.add(folder_ / name, std::move(part.tensors), part.metadata);
    }
    all.merge(parts.join());
    return all;
  }
  /// Only the tensors of the task. The file may have been removed from folders that are only used for evaluation.
  NamedTensors task_state() const {
    const fs::path file = folder_ / kTrainingFile;
    std::error_code ignored;
    if (!has(kTrainingFile) || !fs::exists(file, ignored)) return {};
    const FileDigest& written = expect_size(kTrainingFile);
    NamedTensors tensors = read_safetensors(file, belongs_to_task);
    // The checksum covers the state of the optimizer, too: the file is read entirely only if something in it is used.
    if (!tensors.empty()) verify(file, digest_file(file), written);
    return tensors;
  }
  void verify_all() const {
    for (const auto& [name, written] : content_.files) {
      verify(folder_ / name, digest_file(folder_ / name), written);
    }
  }

 private:
  // Checks the size before the content, so that a truncated file is reported as such and not as a header
  // error.
  const FileDigest& expect_size(const std::string& name) const {
    const auto found = content_.files.find(name);
    if (found == content_.files.end()) throw_user_error("'{}' has no {}", folder_.string(), name);
    const std::uint64_t size = RandomAccessFile(folder_ / name).size();
    if (size != found->second.bytes) {
      reject_foreign_file(folder_ / name);
      verify(folder_ / name, {size, 0}, found->second);
    }
    return found->second;
  }

  fs::path folder_;
  StateFile content_;
};

bool is_intact(const fs::path& folder) {
  try {
    Reader(folder).verify_all();
    return true;
  } catch (const UserError&) {
    return false;
  }
}

// Which checkpoint to use instead of a damaged one.
std::string advice(const fs::path& damaged) {
  std::vector<CheckpointEntry> entries;
  try {
    entries = list_checkpoints(fs::absolute(damaged).lexically_normal().parent_path());
  } catch (const UserError&) {
    return "";  // a folder that cannot be read: the message already contains the same reason
  }
  for (const CheckpointEntry& entry : entries | std::views::reverse) {
    if (entry.path.filename() != damaged.filename() && is_intact(entry.path)) {
      return fmt::format("; the newest intact checkpoint next to it is '{}'",
                         (damaged.parent_path() / entry.path.filename()).string());
    }
  }
  return "; there is no intact checkpoint next to it";
}

Checkpoint read_checkpoint(const fs::path& folder, CheckpointPart part) {
  const Reader reader(folder);
  Checkpoint checkpoint;
  checkpoint.state = reader.state();
  checkpoint.config_yaml = reader.text(kConfigFile);
  if (reader.has(kTokenizerFile)) checkpoint.tokenizer_model = reader.text(kTokenizerFile);
  SafetensorsFile weights = reader.tensors(kWeightsFile);
  checkpoint.weights = std::move(weights.tensors);
  checkpoint.weights_metadata = std::move(weights.metadata);
  if (part == CheckpointPart::everything) checkpoint.training = reader.training();
  if (part == CheckpointPart::weights_and_task) checkpoint.training = reader.task_state();
  return checkpoint;
}

}  // namespace

fs::path follow_links(const fs::path& folder) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  return error ? folder : real;
}

Checkpoint load_checkpoint(const fs::path& folder, CheckpointPart part) {
  const fs::path real = follow_links(folder);
  try {
    return read_checkpoint(real, part);
  } catch (const UserError& error) {
    // A link may point to a newer checkpoint by now, and the old one may have been removed while it was read.
    if (follow_links(folder) != real) return load_checkpoint(folder, part);
    throw UserError(error.what() + advice(real));
  }
}

TrainingState load_training_state(const fs::path& folder) { return read_state_file(folder).state; }

std::uint64_t bytes_needed(const Checkpoint& checkpoint) {
  std::uint64_t bytes = checkpoint.config_yaml.size() + checkpoint.tokenizer_model.size();
  for (const NamedTensors* tensors : {&checkpoint.weights, &checkpoint.training}) {
    for (const auto& [name, tensor] : *tensors) bytes += tensor.nbytes() + name.size();
  }
  return bytes;
}

void write_checkpoint_files(const fs::path& folder, const Checkpoint& checkpoint,
                            std::map<std::string, FileDigest> others) {
  StateFile content{checkpoint.state, std::move(others), {}};
  content.files[kWeightsFile] =
      write_safetensors_in_place(folder / kWeightsFile, checkpoint.weights, checkpoint.weights_metadata);
  if (!checkpoint.training.empty()) {
    content.files[kTrainingFile] =
        write_safetensors_in_place(folder / kTrainingFile, checkpoint.training, {});
  }
  content.files[kConfigFile] = write_text_file(folder / kConfigFile, checkpoint.config_yaml);
  if (!checkpoint.tokenizer_model.empty()) {
    content.files[kTokenizerFile] = write_text_file(folder / kTokenizerFile, checkpoint.tokenizer_model);
  }
  write_state_file(folder, content);
}

void require_new_checkpoint(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error))
    throw_user_error("'{}' already exists: choose another name", folder.string());
}

void write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  require_new_checkpoint(folder);
  const fs::path target = folder.has_filename() ? folder : folder.parent_path();  // "name/" is "name"
  StagedFolder staged(target);
  write_checkpoint_files(staged.path(), checkpoint);
  staged.publish();
}

}  // namespace cloob
