#include "cloob/base/named_path.h"

#include <filesystem>
#include <system_error>

#include "cloob/base/error.h"

namespace cloob {
namespace {

// "data/cifar10/test/" -> "test"
std::string last_component(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

}  // namespace

NamedPath named_path(const std::string& text) {
  const std::size_t equals = text.find('=');
  const bool has_name = equals != std::string::npos && text.find('/') > equals;
  std::error_code ignored;
  if (!has_name || std::filesystem::exists(text, ignored)) return {last_component(text), text};
  NamedPath named{text.substr(0, equals), text.substr(equals + 1)};
  if (named.name.empty() || named.path.empty()) throw_user_error("'{}': expected a path or NAME=PATH", text);
  return named;
}

}  // namespace cloob
