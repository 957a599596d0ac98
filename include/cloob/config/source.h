// Where settings come from: a YAML file, what it includes, and the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// One `--section.key VALUE` of the command line.
struct Override {
  std::string name;
  std::string value;
};

/// Parses `--section.key VALUE` and `--section.key=VALUE` from the arguments that a command did not consume
/// itself. Throws UserError for anything else and for a missing value; a value that begins with two dashes
/// needs the second form.
std::vector<Override> parse_overrides(const std::vector<std::string>& arguments);

struct ConfigNode;

/// Settings in layers: the files named by `include:`, the file itself, then the overrides. Later layers
/// override earlier ones; sections are merged setting by setting, lists are replaced entirely.
///
/// `include:` at the top level of a file is one path or a list of paths, relative to that file, which may include
/// others. YAML anchors, aliases and tags are rejected, so every value is written where
/// its origin says.
class ConfigSource {
 public:
  /// Throws UserError ("file:line:column: ...") when a file cannot be read or is not YAML.
  static ConfigSource from_file(const std::filesystem::path& path);
  /// The same with `replacement` in the place of the included files that contain only `section`; what the file itself and
  /// the others that it includes set in that section still wins. If none of them does, an include that does not exist
  /// is taken for that file.
  static ConfigSource from_file_with(const std::filesystem::path& path, std::string_view section,
                                     const std::filesystem::path& replacement);
  /// `name` stands for the file in messages, and relative includes start from its folder.
  static ConfigSource from_text(std::string_view text, const std::string& name);
  /// The same for settings that the program itself has written, inside a file of data that anyone may have changed: they
  /// may include no files, and texts of more than `max_bytes` are rejected. Nothing is said about retired settings.
  static ConfigSource from_data(std::string_view text, const std::string& name, std::uint64_t max_bytes);

  /// Adds overrides; later ones win.
  void add_overrides(const std::vector<Override>& overrides);

  /// The parsed files, lowest precedence first.
  const std::vector<ConfigNode>& files() const { return *files_; }
  const std::vector<Override>& overrides() const { return overrides_; }
  /// Whether a person wrote the settings, who wants to know about retired ones.
  bool is_written_by_hand() const { return is_written_by_hand_; }

 private:
  explicit ConfigSource(std::vector<ConfigNode> files);

  std::shared_ptr<const std::vector<ConfigNode>> files_;
  std::vector<Override> overrides_;
  bool is_written_by_hand_ = true;
};

}  // namespace cloob
