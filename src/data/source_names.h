#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/data/data_config.h"

namespace cloob {

/// What a name of DataConfig::train stands for: an http(s) address, "pipe:COMMAND", or one of these or a
/// shard compressed by gzip, which all can only be read from front to back.
bool is_remote_name(std::string_view name);  ///< no file: a command or an address
bool is_http_name(std::string_view name);
bool is_pipe_name(std::string_view name);
bool is_stream_name(std::string_view name);

/// What data is by its name: a table (.csv, .tsv), or shards (.tar, and every stream). Nothing where the name
/// does not tell.
std::optional<DataFormat> format_by_name(std::string_view name);

/// "a{00..02}.tar" -> a00.tar a01.tar a02.tar; "{train,val}/x" -> train/x val/x; nested as in a shell. Braces
/// that are no such pattern stay as they are. Throws UserError beyond a million names.
std::vector<std::string> expand_braces(std::string_view pattern);

/// The sources in a list of names: each name is cut at every "::".
std::vector<std::string> split_sources(const std::vector<std::string>& names);

/// Expands braces, then globs (sorted by name), and checks that every file is there and named once. Addresses
/// and commands are not looked into beyond their braces.
std::vector<std::filesystem::path> expand_source_names(const std::vector<std::string>& names);

}  // namespace cloob
