#include "cloob/data/source_names.h"

#include <fmt/core.h>
#include <glob.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_set>

#include "cloob/base/error.h"
#include "cloob/base/text.h"

namespace cloob {
namespace {

constexpr std::string_view kProtocolMark = "://";
constexpr std::size_t kMaxNames = 1'000'000;

void check_count(std::size_t count, std::string_view pattern) {
  if (count > kMaxNames) {
    throw_user_error("'{}' expands to more than {} names: check the braces", pattern,
                     with_thousands(static_cast<std::int64_t>(kMaxNames)));
  }
}

// Splits "a,b{c,d},e" at the commas outside of inner braces.
std::vector<std::string_view> split_alternatives(std::string_view body) {
  std::vector<std::string_view> parts;
  std::size_t depth = 0, begin = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '{') ++depth;
    if (body[i] == '}') --depth;
    if (body[i] == ',' && depth == 0) {
      parts.push_back(body.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(body.substr(begin));
  return parts;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "00..12": integers from first to last, all padded to the width of the wider one if either has a leading
// zero.
std::optional<std::vector<std::string>> expand_range(std::string_view body) {
  const std::size_t dots = body.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const std::string_view first_text = body.substr(0, dots), last_text = body.substr(dots + 2);
  if (!is_number(first_text) || !is_number(last_text)) return std::nullopt;
  const auto first = parse_integer(first_text), last = parse_integer(last_text);
  if (!first || !last) return std::nullopt;
  const auto is_padded = [](std::string_view text) { return text.size() > 1 && text[0] == '0'; };
  const std::size_t width =
      is_padded(first_text) || is_padded(last_text) ? std::max(first_text.size(), last_text.size()) : 0;
  check_count(static_cast<std::size_t>(*first < *last ? *last - *first : *first - *last), body);
  std::vector<std::string> numbers;
  const std::int64_t step = *first <= *last ? 1 : -1;
  for (std::int64_t number = *first; number != *last + step; number += step) {
    numbers.push_back(fmt::format("{:0{}}", number, width));
  }
  return numbers;
}

// Position of the brace that closes the one at `open`.
std::size_t find_closing(std::string_view text, std::size_t open) {
  std::size_t depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

// Expands the text between two braces; empty if it is not a pattern.
std::vector<std::string> expand_body(std::string_view body) {
  if (auto range = expand_range(body)) return *std::move(range);
  const auto alternatives = split_alternatives(body);
  std::vector<std::string> expanded;
  if (alternatives.size() < 2) return expanded;
  for (const std::string_view alternative : alternatives) {
    for (std::string& name : expand_braces(alternative)) expanded.push_back(std::move(name));
  }
  return expanded;
}

// A file wins over what its name would stand for as a pattern.
bool is_file(std::string_view name) {
  std::error_code error;
  return !is_remote_name(name) && std::filesystem::exists(name, error);
}

// Checks the form of an address, not whether it exists.
void check_address(std::string_view name) {
  const std::size_t mark = name.find(kProtocolMark);
  if (is_pipe_name(name) || mark == std::string_view::npos) return;
  if (!is_http_name(name)) {
    throw_user_error(
        "'{}': {}:// is not supported: use http(s)://, or a command that writes the shard to its standard "
        "output, as 'pipe:COMMAND'",
        name, name.substr(0, mark));
  }
  const std::string_view host = name.substr(mark + kProtocolMark.size());
  if (host.empty() || host.starts_with('/')) throw_user_error("'{}' has no host name", name);
}

// Where a relative name starts from, which is not always where the user thinks.
std::string explain_place(const std::string& name) {
  std::error_code error;
  const std::filesystem::path path = name;
  const std::filesystem::path folder = path.parent_path();
  const bool has_folder = folder.empty() || folder.string().find_first_of("*?[") != std::string::npos ||
                          std::filesystem::exists(folder, error);
  std::string text = has_folder ? "" : fmt::format(": the folder '{}' does not exist", folder.string());
  if (path.is_relative())
    text += fmt::format(" (looked in {})", std::filesystem::current_path(error).string());
  return text;
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  std::error_code error;
  if (pattern.find_first_of("*?[") == std::string::npos || is_remote_name(pattern) ||
      std::filesystem::exists(pattern, error)) {
    return {pattern};
  }
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> names(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOMATCH || names.empty())
    throw_user_error("no file matches '{}'{}", pattern, explain_place(pattern));
  std::sort(names.begin(), names.end());
  return names;
}

// What the user may have meant by a name that does not exist.
std::string explain_missing(const std::string& path, const std::string& name, bool is_expanded) {
  if (path.find('\\') != std::string::npos)
    return ": a backslash is part of a name here, write '/' between folders";
  if (!is_expanded) return explain_place(path);
  return fmt::format(" ('{}' expands to it; a glob such as '*.tar' matches only existing files)", name);
}

}  // namespace

std::vector<std::string> expand_braces(std::string_view pattern) {
  for (std::size_t open = pattern.find('{'); open != std::string_view::npos;
       open = pattern.find('{', open + 1)) {
    const std::size_t close = find_closing(pattern, open);
    if (close == std::string_view::npos) continue;
    const auto bodies = expand_body(pattern.substr(open + 1, close - open - 1));
    if (bodies.empty()) continue;
    const auto tails = expand_braces(pattern.substr(close + 1));
    check_count(bodies.size() * tails.size(), pattern);
    std::vector<std::string> names;
    for (const std::string& body : bodies) {
      for (const std::string& tail : tails) {
        names.push_back(fmt::format("{}{}{}", pattern.substr(0, open), body, tail));
      }
    }
    return names;
  }
  return {std::string(pattern)};
}

bool is_http_name(std::string_view name) {
  return name.starts_with("http://") || name.starts_with("https://");
}

bool is_pipe_name(std::string_view name) { return name.starts_with("pipe:"); }

bool is_remote_name(std::string_view name) { return is_pipe_name(name) || is_http_name(name); }

bool is_stream_name(std::string_view name) {
  if (is_remote_name(name)) return true;
  const std::string lower = to_lower_ascii(name);
  return lower.ends_with(".tar.gz") || lower.ends_with(".tgz");
}

std::string canonical_name(const std::filesystem::path& name) {
  if (is_remote_name(name.native())) return name.native();
  std::error_code error;
  const auto place = std::filesystem::weakly_canonical(std::filesystem::absolute(name, error), error);
  if (error) return name.lexically_normal().string();
  return (place.has_filename() ? place : place.parent_path()).string();
}

std::optional<DataFormat> format_by_name(std::string_view name) {
  const std::string lower = to_lower_ascii(name);
  if (is_stream_name(name) || lower.ends_with(".tar")) return DataFormat::webdataset;
  if (lower.ends_with(".csv") || lower.ends_with(".tsv")) return DataFormat::csv;
  return std::nullopt;
}

std::vector<std::string> split_sources(const std::vector<std::string>& names) {
  std::vector<std::string> separate;
  for (std::string_view rest : names) {
    if (is_file(rest)) {
      separate.emplace_back(rest);
      continue;
    }
    constexpr std::string_view kSeparator = "::";
    for (std::size_t end = rest.find(kSeparator); end != std::string_view::npos;
         end = rest.find(kSeparator)) {
      separate.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + kSeparator.size());
    }
    separate.emplace_back(rest);
  }
  return separate;
}

std::vector<std::filesystem::path> expand_source_names(const std::vector<std::string>& names) {
  std::vector<std::filesystem::path> paths;
  std::unordered_set<std::string> seen;
  for (const std::string& name : names) {
    const auto expanded = is_file(name) ? std::vector{name} : expand_braces(name);
    for (const std::string& pattern : expanded) {
      for (std::string& path : expand_glob(pattern)) {
        if (path.empty()) throw_user_error("a source name is empty: look for a superfluous '::' or comma");
        check_address(path);
        std::error_code error;
        if (!is_remote_name(path) && !std::filesystem::exists(path, error)) {
          throw_user_error("'{}' does not exist{}", path, explain_missing(path, name, expanded.size() > 1));
        }
        if (!seen.insert(path).second) {
          throw_user_error("'{}' is named twice: each file may be used only once", path);
        }
        paths.emplace_back(std::move(path));
      }
    }
  }
  return paths;
}

}  // namespace cloob
