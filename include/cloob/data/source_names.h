#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloob/data/data_config.h"

namespace cloob {

// What a name of DataConfig::train stands for.
bool is_http_name(std::string_view name);    ///< an http(s) address
bool is_pipe_name(std::string_view name);    ///< "pipe:COMMAND"
bool is_remote_name(std::string_view name);  ///< one of these, not a file
bool is_stream_name(std::string_view name);  ///< one of these, or a gzip-compressed shard: read sequentially

/// One name for a file or folder, however it is written and wherever the program was started, also if it does not exist; addresses
/// and commands are as they are.
std::string canonical_name(const std::filesystem::path& name);

/// The format by name: a table (.csv, .tsv) or shards (.tar, and every stream); nullopt if the name does not
/// tell.
std::optional<DataFormat> format_by_name(std::string_view name);

/// "a{00..02}.tar" -> a00.tar a01.tar a02.tar; "{train,val}/x" -> train/x val/x; nested as in a shell. Other
/// braces are left as they are. Throws UserError beyond a million names.
std::vector<std::string> expand_braces(std::string_view pattern);

/// The sources in a list of names: each name is split at every "::".
std::vector<std::string> split_sources(const std::vector<std::string>& names);

/// Expands braces, then globs (sorted by name), and checks that every file exists and is named once. Of
/// addresses and commands, only the braces are expanded.
std::vector<std::filesystem::path> expand_source_names(const std::vector<std::string>& names);

}  // namespace cloob
