# Finds every library once and gives it a short imported target. Nothing is downloaded here: tools/setup.sh installs.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
set(_summary "")

function(require_package variable target debian_package)
  if(NOT ${variable})
    message(FATAL_ERROR "${target} was not found: install ${debian_package} (tools/setup.sh does it)")
  endif()
endfunction()

# Libraries that Debian describes by pkg-config: name of the target, of the module, of the package.
function(find_by_pkg_config target module debian_package)
  string(MAKE_C_IDENTIFIER ${module} id)
  pkg_check_modules(${id} QUIET IMPORTED_TARGET ${module})
  require_package(${id}_FOUND ${target} ${debian_package})
  add_library(${target} ALIAS PkgConfig::${id})
  set(_summary "${_summary}\n  ${target} ${${id}_VERSION}" PARENT_SCOPE)
endfunction()

find_by_pkg_config(sentencepiece::sentencepiece sentencepiece libsentencepiece-dev)
find_by_pkg_config(libzip::libzip libzip libzip-dev)
find_by_pkg_config(libjpeg::libjpeg libjpeg libjpeg62-turbo-dev)
find_by_pkg_config(libpng::libpng libpng libpng-dev)
find_by_pkg_config(libwebp::libwebp libwebp libwebp-dev)
find_by_pkg_config(libwebp::demux libwebpdemux libwebp-dev)
find_by_pkg_config(utf8proc::utf8proc libutf8proc libutf8proc-dev)

find_package(ZLIB QUIET)
require_package(ZLIB_FOUND zlib zlib1g-dev)
find_package(fmt QUIET)
require_package(fmt_FOUND fmt libfmt-dev)
find_package(spdlog QUIET)
require_package(spdlog_FOUND spdlog libspdlog-dev)
find_package(yaml-cpp QUIET)
require_package(yaml-cpp_FOUND yaml-cpp libyaml-cpp-dev)
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
find_package(CLI11 QUIET)
require_package(CLI11_FOUND CLI11 libcli11-dev)
find_package(nlohmann_json QUIET)
require_package(nlohmann_json_FOUND nlohmann-json nlohmann-json3-dev)

# The component packages bring less than half of what libopencv-dev does, and no CMake files of their own.
find_path(OPENCV_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4)
require_package(OPENCV_INCLUDE_DIR OpenCV "libopencv-imgcodecs-dev and libopencv-imgproc-dev")
add_library(opencv::opencv INTERFACE IMPORTED)
target_include_directories(opencv::opencv SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
foreach(component core imgproc imgcodecs)
  find_library(OPENCV_${component}_LIBRARY opencv_${component})
  require_package(OPENCV_${component}_LIBRARY OpenCV libopencv-${component}-dev)
  target_link_libraries(opencv::opencv INTERFACE ${OPENCV_${component}_LIBRARY})
endforeach()

include(FindLibTorch)
message(STATUS "Found:\n  LibTorch ${CLOOB_TORCH_VERSION} in ${CLOOB_TORCH_DIR} (CUDA: ${CLOOB_CUDA})"
  "\n  fmt ${fmt_VERSION}\n  spdlog ${spdlog_VERSION}\n  yaml-cpp ${yaml-cpp_VERSION}\n  CLI11 ${CLI11_VERSION}"
  "\n  nlohmann-json ${nlohmann_json_VERSION}\n  zlib ${ZLIB_VERSION_STRING}${_summary}")
