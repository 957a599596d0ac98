# Build options and the flags shared by all targets of the project.
option(CLOOB_TESTS "Build the tests" ON)
option(CLOOB_WERROR "Treat warnings as errors" OFF)
option(CLOOB_CUDA "Link LibTorch's CUDA libraries" OFF)
option(CLOOB_STEP_ONLY "Build only models, losses, the training step, its benchmarks and its tests (tools/check_gpu.sh)" OFF)
set(CLOOB_SANITIZE "" CACHE STRING "Sanitizers for all targets, for example 'address,undefined' or 'thread'")
# Both default to the environment variables of the same names, so that the scripts in tools/ and CMake agree.
set(CLOOB_TORCH_ROOT "$ENV{CLOOB_TORCH_ROOT}" CACHE PATH
  "LibTorch 2.15 or newer, 2.11 for CLOOB_STEP_ONLY: the folder with include/ and lib/ (empty: what tools/setup.sh installed)")
set(_deps_dir ${PROJECT_SOURCE_DIR}/.deps)
if(NOT "$ENV{CLOOB_DEPS_DIR}" STREQUAL "")
  set(_deps_dir $ENV{CLOOB_DEPS_DIR})
endif()
set(CLOOB_DEPS_DIR ${_deps_dir} CACHE PATH "Where tools/setup.sh puts LibTorch and the data taken from wheels")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(cloob_options INTERFACE)
target_compile_features(cloob_options INTERFACE cxx_std_20)
set(CMAKE_CXX_EXTENSIONS OFF)
target_compile_options(cloob_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wdouble-promotion
  $<$<BOOL:${CLOOB_WERROR}>:-Werror>)
if(CLOOB_SANITIZE)
  target_compile_options(cloob_options INTERFACE -fsanitize=${CLOOB_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(cloob_options INTERFACE -fsanitize=${CLOOB_SANITIZE})
endif()
