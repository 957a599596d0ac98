# Finds every third-party library once and gives it a short imported target. Downloads nothing: tools/setup.sh installs them.
find_package(Threads REQUIRED)
if(CLOOB_STEP_ONLY)
  include(StepDependencies)
  return()
endif()
find_package(PkgConfig REQUIRED)
set(_summary "")

function(require_package variable target debian_package)
  if(NOT ${variable})
    message(FATAL_ERROR "${target} was not found: install ${debian_package} (tools/setup.sh does it)")
  endif()
endfunction()

# For libraries with pkg-config files: names of the target, the pkg-config module and the Debian package.
function(find_by_pkg_config target module debian_package)
  string(MAKE_C_IDENTIFIER ${module} id)
  pkg_check_modules(${id} QUIET IMPORTED_TARGET ${module})
  require_package(${id}_FOUND ${target} ${debian_package})
  add_library(${target} ALIAS PkgConfig::${id})
  set(_summary "${_summary}\n  ${target} ${${id}_VERSION}" PARENT_SCOPE)
endfunction()

find_by_pkg_config(sentencepiece::sentencepiece sentencepiece libsentencepiece-dev)
find_by_pkg_config(libzip::libzip libzip libzip-dev)
find_by_pkg_config(libcurl::libcurl libcurl libcurl4-openssl-dev)
find_by_pkg_config(libjpeg::libjpeg libjpeg libjpeg62-turbo-dev)
find_by_pkg_config(libpng::libpng libpng libpng-dev)
find_by_pkg_config(libwebp::libwebp libwebp libwebp-dev)
find_by_pkg_config(libgif::libgif libgif libgif-dev)
find_by_pkg_config(freetype::freetype freetype2 libfreetype-dev)
find_by_pkg_config(fribidi::fribidi fribidi libfribidi-dev)
find_by_pkg_config(libxxhash::libxxhash libxxhash libxxhash-dev)
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

# The component packages install less than half of what libopencv-dev does, and no CMake files.
find_path(OPENCV_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4)
require_package(OPENCV_INCLUDE_DIR OpenCV "libopencv-imgcodecs-dev and libopencv-imgproc-dev")
add_library(opencv::opencv INTERFACE IMPORTED)
target_include_directories(opencv::opencv SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
foreach(component core imgproc imgcodecs)
  find_library(OPENCV_${component}_LIBRARY opencv_${component})
  require_package(OPENCV_${component}_LIBRARY OpenCV libopencv-${component}-dev)
  target_link_libraries(opencv::opencv INTERFACE ${OPENCV_${component}_LIBRARY})
endforeach()

# LibTorch contains the library, but not its headers, which c10d's declare members of.
find_path(GLOO_INCLUDE_DIR gloo/algorithm.h)
require_package(GLOO_INCLUDE_DIR gloo libgloo-dev)
add_library(gloo::headers INTERFACE IMPORTED)
target_include_directories(gloo::headers SYSTEM INTERFACE ${GLOO_INCLUDE_DIR})

include(FindLibTorch)

# A static library: at run time the program needs nothing of faiss, but Debian's libblas3 and liblapack3, which are loaded with it. Calls
# of BLAS and LAPACK in faiss have to reach those in LibTorch, which are many times faster than Debian's reference ones; the others have
# only what LibTorch lacks, for parts of faiss that nothing here calls. The first library on the command line is asked first: CMake puts
# options there, and orders libraries as it likes.
find_path(FAISS_INCLUDE_DIR faiss/Clustering.h)
find_library(FAISS_LIBRARY libfaiss.a)
find_library(LAPACK_LIBRARY lapack)
find_library(BLAS_LIBRARY blas)
require_package(FAISS_LIBRARY faiss libfaiss-dev)
require_package(FAISS_INCLUDE_DIR faiss libfaiss-dev)
require_package(LAPACK_LIBRARY LAPACK liblapack-dev)
require_package(BLAS_LIBRARY BLAS libblas-dev)
add_library(faiss::faiss INTERFACE IMPORTED)
target_include_directories(faiss::faiss SYSTEM INTERFACE ${FAISS_INCLUDE_DIR})
target_link_options(faiss::faiss INTERFACE
  "LINKER:--push-state,--no-as-needed" ${CLOOB_TORCH_DIR}/lib/libtorch_cpu.so "LINKER:--pop-state")
target_link_libraries(faiss::faiss INTERFACE ${FAISS_LIBRARY} torch::torch
  -Wl,--push-state,--as-needed ${LAPACK_LIBRARY} ${BLAS_LIBRARY} -Wl,--pop-state gomp)

message(STATUS "Found:\n  LibTorch ${CLOOB_TORCH_VERSION} in ${CLOOB_TORCH_DIR} (CUDA: ${CLOOB_CUDA})"
  "\n  fmt ${fmt_VERSION}\n  spdlog ${spdlog_VERSION}\n  yaml-cpp ${yaml-cpp_VERSION}\n  CLI11 ${CLI11_VERSION}"
  "\n  nlohmann-json ${nlohmann_json_VERSION}\n  zlib ${ZLIB_VERSION_STRING}${_summary}")
