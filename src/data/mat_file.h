// Reading MATLAB's files of version 5 (.mat, as MATLAB and scipy.io.savemat write them), as far as lists of images need it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cloob {

/// Files, and what is packed in them, of more bytes are refused: those of Stanford Cars have a tenth.
inline constexpr std::uint64_t kMaxMatBytes = std::uint64_t{32} << 20;

/// An array of a MATLAB file. What is not one of the kinds (sparse matrices, objects, ...) is `other` and empty.
struct MatArray {
  enum class Kind { numbers, text, cells, structs, other };

  Kind kind = Kind::other;
  std::int64_t count = 0;                ///< elements
  std::vector<double> numbers;           ///< of `numbers`, in the order of columns
  std::string text;                      ///< of `text`, in UTF-8
  std::vector<std::string> field_names;  ///< of `structs`
  std::vector<MatArray> items;  ///< of `cells`, an array each; of `structs`, one for each element and field
};

/// The named arrays of a file. Sizes and counts in it are checked against what there is before anything is allocated.
/// Throws UserError.
std::map<std::string, MatArray> read_mat_file(const std::filesystem::path& path);

}  // namespace cloob
