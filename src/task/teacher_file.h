// How files of teachers are recognized.
#pragma once

namespace cloob {

// Of the file's metadata.
inline constexpr const char* kTeacherFormatName = "format";
inline constexpr const char* kTeacherFormat = "cloob teacher 1";

}  // namespace cloob
