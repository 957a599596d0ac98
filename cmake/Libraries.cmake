# add_cloob_library(NAME [MODULES] [DEPENDS libraries...] [THIRD_PARTY targets...] [PUBLIC_THIRD_PARTY targets...]
#                   [STEP files...])
#
# Makes the static library cloob::NAME from the sources below src/NAME. Public headers: include/cloob/NAME, private ones:
# src/NAME. A dependency that was not declared earlier is an error, so the list of libraries is the dependency order.
# STEP: the files that the training step needs, all if it is not given; a build of the step alone (CLOOB_STEP_ONLY) has no
# others, and of libraries and third parties only those that it found.
# MODULES: the library defines torch::nn modules or autograd functions, whose headers take 10 to 20 seconds a file.
set(CLOOB_LIBRARIES "")

# Headers that nearly every file of several libraries includes, parsed once: what a file would spend most of its time on.
function(add_precompiled_headers name)
  file(WRITE ${PROJECT_BINARY_DIR}/${name}.cpp "")
  add_library(cloob_${name} OBJECT ${PROJECT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(cloob_${name} PRIVATE torch::torch fmt::fmt cloob_options)
  target_precompile_headers(cloob_${name} PRIVATE ${ARGN})
endfunction()
set(common_headers <ATen/core/Tensor.h> <fmt/core.h> <algorithm> <filesystem> <functional> <map> <memory> <optional> <string>
  <vector>)
add_precompiled_headers(precompiled_common ${common_headers})
add_precompiled_headers(precompiled_modules ${common_headers} <torch/nn/module.h> <torch/nn/pimpl.h>
  <torch/csrc/autograd/custom_function.h> <ATen/TensorOperators.h>)

# Removes the names from a list to which no target belongs; the prefix is part of the target's name only.
macro(keep_targets list)
  foreach(item ${${list}})
    if(NOT TARGET ${ARGN}${item})
      list(REMOVE_ITEM ${list} ${item})
    endif()
  endforeach()
endmacro()

function(add_cloob_library name)
  cmake_parse_arguments(LIBRARY "MODULES" "" "DEPENDS;THIRD_PARTY;PUBLIC_THIRD_PARTY;STEP" ${ARGN})
  if(CLOOB_STEP_ONLY)
    keep_targets(LIBRARY_DEPENDS cloob::)
    keep_targets(LIBRARY_THIRD_PARTY)
  endif()
  foreach(dependency ${LIBRARY_DEPENDS})
    if(NOT dependency IN_LIST CLOOB_LIBRARIES)
      message(FATAL_ERROR "library '${name}' depends on '${dependency}', which is not declared above it")
    endif()
  endforeach()
  if(CLOOB_STEP_ONLY AND LIBRARY_STEP)
    list(TRANSFORM LIBRARY_STEP PREPEND ${PROJECT_SOURCE_DIR}/src/${name}/)
    list(TRANSFORM LIBRARY_STEP APPEND .cpp)
    file(GLOB sources CONFIGURE_DEPENDS ${LIBRARY_STEP})
  else()
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  endif()
  list(TRANSFORM LIBRARY_DEPENDS PREPEND cloob:: OUTPUT_VARIABLE libraries)
  add_library(cloob_${name} STATIC ${sources})
  target_include_directories(cloob_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(cloob_${name} PUBLIC ${libraries} ${LIBRARY_PUBLIC_THIRD_PARTY}
    PRIVATE ${LIBRARY_THIRD_PARTY} cloob_options)
  if(LIBRARY_MODULES)
    target_precompile_headers(cloob_${name} REUSE_FROM cloob_precompiled_modules)
  else()
    target_precompile_headers(cloob_${name} REUSE_FROM cloob_precompiled_common)
  endif()
  add_library(cloob::${name} ALIAS cloob_${name})
  set(CLOOB_LIBRARIES ${CLOOB_LIBRARIES} ${name} PARENT_SCOPE)
  set_property(GLOBAL APPEND PROPERTY CLOOB_LIBRARY_RULES "${name}:${LIBRARY_DEPENDS}")
endfunction()
