# The third-party libraries of a build of the training step alone, from the folder that tools/collect_step_dependencies.sh
# fills: headers, and static libraries of what has no header-only form. Machines with GPUs often have PyTorch and no packages.
set(CLOOB_STEP_DEPS_DIR ${PROJECT_SOURCE_DIR}/.deps/step CACHE PATH "Filled by tools/collect_step_dependencies.sh")
if(NOT EXISTS ${CLOOB_STEP_DEPS_DIR}/include/gloo)
  message(FATAL_ERROR "no dependencies in ${CLOOB_STEP_DEPS_DIR}: the folder is not part of the repository. Run "
    "tools/collect_step_dependencies.sh on Debian 12 after tools/setup.sh, and copy the folder here")
endif()

# add_step_dependency(TARGET [LIBRARY]): the headers are in one folder for all.
function(add_step_dependency target)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE ${CLOOB_STEP_DEPS_DIR}/include)
  if(ARGN)
    target_link_libraries(${target} INTERFACE ${CLOOB_STEP_DEPS_DIR}/lib/${ARGN} Threads::Threads)
  endif()
endfunction()
foreach(target fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json CLI11::CLI11 gloo::headers libxxhash::libxxhash)
  add_step_dependency(${target})
endforeach()
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
target_compile_definitions(libxxhash::libxxhash INTERFACE XXH_INLINE_ALL)
add_step_dependency(yaml-cpp::yaml-cpp libyaml-cpp.a)
add_step_dependency(ZLIB::ZLIB libz.a)
add_step_dependency(GTest::gtest libgtest.a)
add_step_dependency(GTest::gmock libgmock.a)
add_step_dependency(GTest::gtest_main libgtest_main.a)
target_link_libraries(GTest::gtest_main INTERFACE GTest::gtest)

include(FindLibTorch)
message(STATUS "LibTorch ${CLOOB_TORCH_VERSION} in ${CLOOB_TORCH_DIR} (CUDA: ${CLOOB_CUDA})")
