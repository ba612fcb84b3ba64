# Enables CUDA where a compiler for it is found: an installed one first, then the one that `npm run setup:cuda` brings.
# Sets EFFICIENTDET_CUDA to whether it was; then EFFICIENTDET_CUDART is its static runtime for the target's processor.

set(EFFICIENTDET_CUDA OFF)
get_filename_component(_cache "${CMAKE_CURRENT_LIST_DIR}/../../.cache" ABSOLUTE)

find_program(EFFICIENTDET_NVCC nvcc
  HINTS ENV CUDA_PATH PATH_SUFFIXES bin
  PATHS /usr/local/cuda/bin "${_cache}/cuda/nvidia/cu13/bin"
  DOC "CUDA's compiler")
if(NOT EFFICIENTDET_NVCC)
  message(STATUS "The TensorRT backends are not built: no nvcc is installed. `npm run setup:cuda` brings one.")
  return()
endif()
# What is found may be a link from elsewhere.
file(REAL_PATH "${EFFICIENTDET_NVCC}" _nvcc)
get_filename_component(_toolkit "${_nvcc}/../.." ABSOLUTE)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  # Jetson Orin, Grace servers with Hopper and Blackwell, Jetson Thor, and what comes after.
  set(_architectures 87 90 100 110)
  set(_libraries "${_toolkit}/targets/aarch64-linux/lib" "${_toolkit}/targets/sbsa-linux/lib"
    "${_cache}/cuda-arm64/nvidia/cu13/lib")
else()
  # Turing to Blackwell, and what comes after.
  set(_architectures 75 80 86 89 90 100 120)
  set(_libraries "${_toolkit}/targets/x86_64-linux/lib")
endif()
if(NOT CMAKE_CROSSCOMPILING)
  list(APPEND _libraries "${_toolkit}/lib64" "${_toolkit}/lib")
endif()
find_file(EFFICIENTDET_CUDART libcudart_static.a PATHS ${_libraries} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH
  DOC "CUDA's static runtime")
if(NOT EFFICIENTDET_CUDART)
  message(STATUS "The TensorRT backends are not built: ${EFFICIENTDET_NVCC} has no libcudart_static.a for "
    "${CMAKE_SYSTEM_PROCESSOR}. `npm run setup:cuda arm64` brings that for 64-bit ARM.")
  return()
endif()

# The GPU kit names its own.
set(EFFICIENTDET_ARCHITECTURES "" CACHE STRING "instead of all architectures, such as 80-real;75-virtual")

# Those of them that the compiler knows (JetPack 6's, of CUDA 12.6, none after Hopper), and the last as PTX, too.
execute_process(COMMAND "${EFFICIENTDET_NVCC}" --list-gpu-arch OUTPUT_VARIABLE _known COMMAND_ERROR_IS_FATAL ANY)
foreach(_architecture ${_architectures})
  if(NOT _known MATCHES "compute_${_architecture}\n")
    list(REMOVE_ITEM _architectures ${_architecture})
  endif()
endforeach()
list(POP_BACK _architectures _last)
list(TRANSFORM _architectures APPEND -real)
list(APPEND _architectures ${_last})

set(CMAKE_CUDA_COMPILER "${EFFICIENTDET_NVCC}")
set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}")
if(EFFICIENTDET_ARCHITECTURES)
  set(_architectures ${EFFICIENTDET_ARCHITECTURES})
endif()
set(CMAKE_CUDA_ARCHITECTURES ${_architectures})
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
# CMake's trial of the compiler links, and nvcc looks only in its own folder.
get_filename_component(_cudart_folder "${EFFICIENTDET_CUDART}" DIRECTORY)
set(CMAKE_CUDA_FLAGS "-L${_cudart_folder}")
enable_language(CUDA)
set(EFFICIENTDET_CUDA ON)
