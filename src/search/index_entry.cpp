#include "cloob/search/index_entry.h"

#include "cloob/base/json.h"
#include "cloob/base/utf8.h"

namespace cloob {

std::string as_stored(std::string_view key) {
  if (is_valid_utf8(key)) return std::string(key);
  const nlohmann::json json = std::string(key);
  return nlohmann::json::parse(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
      .get<std::string>();
}

std::string to_line(const IndexEntry& entry) {
  nlohmann::ordered_json json = {{"key", entry.key}};
  if (!entry.path.empty()) json["path"] = entry.path;
  if (!entry.captions.empty()) json["captions"] = entry.captions;
  if (!entry.metadata.empty()) json["metadata"] = parse_python_json<nlohmann::ordered_json>(entry.metadata);
  return json.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace);
}

IndexEntry entry_from_line(const std::string& line) {
  const auto json = parse_json<nlohmann::ordered_json>(line);
  const auto text = [](const nlohmann::ordered_json& value) {
    if (!value.is_string()) throw JsonError("has a value of the wrong kind");
    return value.get<std::string>();
  };
  if (!json.is_object() || !json.contains("key")) throw JsonError("has no key");
  IndexEntry entry{.key = text(json["key"])};
  if (json.contains("path")) entry.path = text(json["path"]);
  if (json.contains("captions")) {
    for (const auto& caption : json["captions"]) entry.captions.push_back(text(caption));
  }
  if (json.contains("metadata")) entry.metadata = json["metadata"].dump();
  return entry;
}

}  // namespace cloob
