#include "checkpoint/weights_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <span>

#include "checkpoint/printable.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/state_dict.h"
#include "cloob/base/error.h"
#include "cloob/base/files.h"
#include "cloob/base/first_bytes.h"
#include "cloob/base/foreign_content.h"
#include "cloob/base/text.h"
#include "cloob/checkpoint/safetensors.h"
#include "cloob/checkpoint/torch_file.h"

namespace cloob {
namespace {

using Kind = PickleNode::Kind;

// A small file can reference the same texts and modules many times, so their lengths and numbers are limited.
constexpr std::size_t kMaxTextBytes = 1024;
constexpr std::size_t kMaxNames = 100'000;  // a TorchScript archive of 10,000 tensors has half as many
constexpr int kMaxModuleDepth = 64;

class SafetensorsWeights final : public WeightsFile {
 public:
  explicit SafetensorsWeights(const std::filesystem::path& path)
      : path_(path), header_(read_safetensors_header(RandomAccessFile(path)).header) {
    metadata_ = header_.metadata;
  }
  std::string_view format() const override { return "safetensors"; }
  std::map<std::string, TensorInfo> list() const override {
    std::map<std::string, TensorInfo> result;
    for (const TensorEntry& entry : header_.entries) result[entry.name] = {entry.dtype, entry.shape};
    return result;
  }
  NamedTensors load() const override { return read_safetensors(path_).tensors; }

 private:
  std::filesystem::path path_;
  SafetensorsHeader header_;
};

std::optional<std::string> plain_text(const PickleValue& value) {
  if (const auto* const flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* const integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
  if (const auto* const real = std::get_if<double>(&value)) return shortest(*real);
  const PickleNode* const text = as_node(value, Kind::text);
  return text && text->text.size() <= kMaxTextBytes ? std::optional(text->text) : std::nullopt;
}

// Opaque values that stand for tensors of a kind that is not read, such as quantized or sparse ones.
bool is_unknown_tensor(const PickleNode& opaque) { return opaque.text.starts_with("torch."); }

class TorchWeights final : public WeightsFile {
 public:
  explicit TorchWeights(const std::filesystem::path& path) : path_(path), file_(path) {
    if (const PickleNode* const object = as_node(file_.root(), Kind::object)) {
      collect_attributes(*object, "", 0);
    } else if (const PickleNode* const root = as_node(file_.root(), Kind::dictionary)) {
      const StateDict found = find_state_dict(path_.string(), *root);
      if (found.dictionary) read_state_dict(*root, found);
    }
    if (tensors_.empty()) fail_without_tensors();
    check_memory();
  }
  std::string_view format() const override { return file_.is_torchscript() ? "TorchScript" : "torch.save"; }
  std::map<std::string, TensorInfo> list() const override {
    std::map<std::string, TensorInfo> result;
    for (const auto& [name, tensor] : tensors_) result[name] = {tensor->dtype, tensor->sizes};
    return result;
  }
  NamedTensors load() const override { return file_.load(tensors_); }

 private:
  // `prefix` and the key of an entry if it is a text; nullopt for other keys.
  std::optional<std::string> next_name(const std::string& prefix, const PickleValue& key) {
    if (++num_names_ > kMaxNames) {
      throw_user_error("'{}' has more than {} names", path_.string(), kMaxNames);
    }
    const PickleNode* const name = as_node(key, Kind::text);
    if (!name) return std::nullopt;
    if (prefix.size() + name->text.size() > kMaxTextBytes) {
      throw_user_error("'{}' has a name of more than {} characters: {}", path_.string(), kMaxTextBytes,
                       in_quotes(prefix + name->text.substr(0, kMaxTextBytes)));
    }
    return prefix + name->text;
  }

  void read_state_dict(const PickleNode& root, const StateDict& found) {
    if (found.dictionary != &root) read_metadata(root, found.key);
    for (const std::string& other : found.others)
      notes_.push_back(fmt::format("the weights were read from {}; {} also holds tensors and was skipped",
                                   found.key.empty() ? "the file itself" : in_quotes(found.key), other));
    collect_entries(*found.dictionary);
  }

  void collect_entries(const PickleNode& dictionary) {
    for (const auto& [key, value] : dictionary.entries) {
      const auto name = next_name("", key);
      if (!name) continue;
      const PickleNode* const opaque = as_node(value, Kind::opaque);
      if (const auto* const tensor = std::get_if<const PickleTensor*>(&value)) {
        tensors_[*name] = *tensor;
      } else if (opaque && is_unknown_tensor(*opaque)) {
        throw_user_error(
            "'{}': the tensor {} is made by {}, which is not supported: save dense tensors of a usual type",
            path_.string(), in_quotes(*name), in_quotes(opaque->text));
      } else {
        notes_.push_back(
            fmt::format("{} is {} and was skipped", in_quotes(*name),
                        opaque ? "a Python object (" + in_quotes(opaque->text) + ")" : "not a tensor"));
      }
    }
  }

  // Parameters, buffers and children of a module are all attributes.
  void collect_attributes(const PickleNode& object, const std::string& prefix, int depth) {
    if (depth > kMaxModuleDepth) {
      throw_user_error("'{}': its modules are nested too deeply", path_.string());
    }
    for (const auto& [key, value] : object.entries) {
      const auto name = next_name(prefix, key);
      if (!name) continue;
      if (const auto* const tensor = std::get_if<const PickleTensor*>(&value)) {
        tensors_[*name] = *tensor;
      } else if (const PickleNode* const child = as_node(value, Kind::object)) {
        collect_attributes(*child, *name + ".", depth + 1);
      }
    }
  }

  // `weights_key` is where the weights are.
  void read_metadata(const PickleNode& checkpoint, const std::string& weights_key) {
    for (const auto& [key, value] : checkpoint.entries) {
      const auto name = next_name("", key);
      if (!name || *name == weights_key || weights_key.starts_with(*name + ".")) continue;
      if (const auto text = plain_text(value)) {
        metadata_[*name] = *text;
      } else {
        const PickleNode* const opaque = as_node(value, Kind::opaque);
        notes_.push_back(fmt::format("{}{} next to the weights was skipped", in_quotes(*name),
                                     opaque ? " (" + in_quotes(opaque->text) + ")" : ""));
      }
    }
  }

  [[noreturn]] void fail_without_tensors() const {
    std::string found = "a value that is not a dictionary";
    if (const PickleNode* const object = as_node(file_.root(), Kind::opaque)) {
      found = "a Python object (" + in_quotes(object->text) +
              "), which only running its code could build: save its state_dict() with PyTorch";
    } else if (const PickleNode* const dictionary = as_node(file_.root(), Kind::dictionary)) {
      constexpr std::size_t kMaxListed = 8;
      std::vector<std::string> keys;
      for (const auto& [key, value] :
           std::span(dictionary->entries).first(std::min(dictionary->entries.size(), kMaxListed))) {
        const PickleNode* const name = as_node(key, Kind::text);
        keys.push_back(name ? in_quotes(name->text) : "a key that is not a string");
      }
      found = keys.empty() ? "an empty dictionary" : "a dictionary with " + join(keys, ", ");
    }
    throw_user_error("'{}' contains no weights: expected a state_dict of tensors, found {}", path_.string(),
                     found);
  }

  // Views can repeat their storage, so copying the views of a small file could need any amount of memory.
  void check_memory() const {
    constexpr double kMaxGrowth = 16;
    double bytes = 0;
    for (const auto& [name, tensor] : tensors_) {
      double count = sizeof(float);
      for (const std::int64_t size : tensor->sizes) count *= static_cast<double>(size);
      bytes += count;
    }
    const auto file_bytes = static_cast<double>(std::filesystem::file_size(path_));
    if (bytes > kMaxGrowth * std::max(file_bytes, double{1 << 20})) {
      throw_user_error(
          "'{}': its tensors are views that repeat the stored elements {} times; save contiguous copies of "
          "them",
          path_.string(), static_cast<std::int64_t>(bytes / file_bytes));
    }
  }

  std::filesystem::path path_;
  TorchFile file_;
  std::map<std::string, const PickleTensor*> tensors_;
  std::size_t num_names_ = 0;
};

bool begins_as_safetensors(std::string_view head) { return head.size() > 8 && head[8] == '{'; }

}  // namespace

std::unique_ptr<WeightsFile> open_weights(const std::filesystem::path& path) {
  const std::string head = first_bytes_of(path, kForeignContentBytes);
  reject_foreign_content(path, head);
  if (begins_as_safetensors(head)) return std::make_unique<SafetensorsWeights>(path);
  return std::make_unique<TorchWeights>(path);
}

}  // namespace cloob
