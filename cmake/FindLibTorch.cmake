# LibTorch as imported target torch::torch, from a wheel unpacked by tools/setup.sh or from a folder given by the user.
#
# The wheel's own CMake package is not used: it enables CUDA whenever it finds a toolkit and links libtorch_cuda even into
# a CPU-only program.
set(CLOOB_TORCH_MINIMUM 2.15.0)
# Rented machines with GPUs come with a PyTorch of their own.
if(CLOOB_STEP_ONLY)
  set(CLOOB_TORCH_MINIMUM 2.11.0)
endif()
if(CLOOB_TORCH_ROOT)
  set(CLOOB_TORCH_DIR ${CLOOB_TORCH_ROOT})
else()
  set(CLOOB_TORCH_DIR ${CLOOB_DEPS_DIR}/python/torch)
endif()
if(NOT EXISTS ${CLOOB_TORCH_DIR}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "no LibTorch in ${CLOOB_TORCH_DIR}: run tools/setup.sh, or set -DCLOOB_TORCH_ROOT to the folder "
    "that holds LibTorch's include/ and lib/ (for a Python installation: the 'torch' folder in site-packages)")
endif()

# Releases before 2.9 define the version in another header; they are too old in any case.
set(CLOOB_TORCH_VERSION 0)
set(_version_header ${CLOOB_TORCH_DIR}/include/torch/headeronly/version.h)
if(EXISTS ${_version_header})
  file(STRINGS ${_version_header} _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  foreach(part MAJOR MINOR PATCH)
    string(REGEX REPLACE ".*TORCH_VERSION_${part} ([0-9]+).*" "\\1" _${part} "${_lines}")
  endforeach()
  set(CLOOB_TORCH_VERSION ${_MAJOR}.${_MINOR}.${_PATCH})
endif()
if(CLOOB_TORCH_VERSION VERSION_LESS CLOOB_TORCH_MINIMUM)
  message(FATAL_ERROR "LibTorch in ${CLOOB_TORCH_DIR} is older than ${CLOOB_TORCH_MINIMUM}: run tools/setup.sh, or set "
    "-DCLOOB_TORCH_ROOT to a newer one")
endif()

add_library(torch::torch INTERFACE IMPORTED)
# Without this, headers as common as ATen/TensorOperators.h include all of ATen's 2,000 functions: 50 seconds a file instead of 9.
target_compile_definitions(torch::torch INTERFACE AT_PER_OPERATOR_HEADERS)
# -idirafter: the include folder contains a copy of fmt that must not take precedence over the one that spdlog was built with.
target_compile_options(torch::torch INTERFACE
  "SHELL:-idirafter ${CLOOB_TORCH_DIR}/include/torch/csrc/api/include" "SHELL:-idirafter ${CLOOB_TORCH_DIR}/include")
set(_torch_lib ${CLOOB_TORCH_DIR}/lib)
target_link_libraries(torch::torch INTERFACE ${_torch_lib}/libtorch_cpu.so ${_torch_lib}/libc10.so Threads::Threads)
# libtorch_cpu.so finds the CUDA runtime and CUPTI that it needs by its own run path; the linker is told not to require
# them.
target_link_options(torch::torch INTERFACE -Wl,--allow-shlib-undefined)

# For files that call CUDA directly; empty without CUDA.
add_library(torch::cuda INTERFACE IMPORTED)
if(CLOOB_CUDA)
  # Most programs reference no symbol of these two libraries; without --no-as-needed the linker would drop them, and with
  # them the kernels.
  file(GLOB _cuda_dirs ${CLOOB_TORCH_DIR}/../nvidia/*/lib)
  foreach(dir ${_cuda_dirs})
    target_link_options(torch::torch INTERFACE -Wl,-rpath-link,${dir})
  endforeach()
  target_link_options(torch::torch INTERFACE
    -Wl,--no-as-needed ${_torch_lib}/libtorch_cuda.so ${_torch_lib}/libc10_cuda.so -Wl,--as-needed)
  file(GLOB _cuda_includes ${CLOOB_TORCH_DIR}/../nvidia/*/include)
  file(GLOB _cuda_toolkits /usr/local/cuda-*/include)
  list(REVERSE _cuda_toolkits)  # the newest first
  # find_cuda_header(HEADER WHAT_TO_DO): for torch::cuda; pip's libraries of CUDA, which fit LibTorch, go before a toolkit.
  function(find_cuda_header header what_to_do)
    string(MAKE_C_IDENTIFIER ${header} id)
    find_path(CLOOB_CUDA_${id} ${header} HINTS ${_cuda_includes} ENV CUDA_HOME /usr/local/cuda ${_cuda_toolkits}
      PATH_SUFFIXES include include/cccl cccl)
    if(NOT CLOOB_CUDA_${id})
      message(FATAL_ERROR "${header} was not found: ${what_to_do}")
    endif()
    target_include_directories(torch::cuda SYSTEM INTERFACE ${CLOOB_CUDA_${id}})
  endfunction()
  find_cuda_header(cuda_runtime_api.h "run tools/setup.sh --cuda, or set CUDA_HOME to a CUDA toolkit")
  find_cuda_header(nccl.h "run tools/setup.sh --cuda, or install NCCL's headers")
  # What the headers above include, but pip's libraries do not contain.
  find_cuda_header(crt/host_defines.h "install the CUDA toolkit (its package cuda-crt), or set CUDA_HOME to where it is")
  find_cuda_header(nv/target "install the CUDA toolkit (its package cuda-cccl), or set CUDA_HOME to where it is")
  target_compile_definitions(torch::cuda INTERFACE CLOOB_HAS_CUDA=1 USE_C10D_NCCL)
endif()

# What c10d's ProcessGroupGloo.hpp declares nothing without; LibTorch has Gloo in all its builds.
target_compile_definitions(gloo::headers INTERFACE USE_C10D_GLOO)
