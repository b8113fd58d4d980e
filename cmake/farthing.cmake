# farthing.cmake - one function that turns a folder under src/ into a library and its tests.

include(CheckCXXCompilerFlag)
add_library(farthing_options INTERFACE)
target_compile_options(farthing_options INTERFACE -Wall -Wextra -Wshadow -fno-math-errno -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)  # CHECK's own operator
  target_compile_options(farthing_options INTERFACE -Wno-overloaded-shift-op-parentheses
                         -Wno-unknown-warning-option)
endif()
target_include_directories(farthing_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
if(FARTHING_EMULATE)
  target_compile_definitions(farthing_options INTERFACE FARTHING_EMULATE)
endif()
if(FARTHING_SANITIZE)
  target_compile_options(farthing_options INTERFACE -fsanitize=${FARTHING_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(farthing_options INTERFACE -fsanitize=${FARTHING_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # GCC 12 imagines it in std::regex under sanitizers; Release warns
    target_compile_options(farthing_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(FARTHING_FUZZ)
  target_compile_options(farthing_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FARTHING_TESTS)
  enable_testing()
  include(GoogleTest)
  add_custom_target(unit_tests)  # the fast tests that do not run the farthing program
endif()

# Half of the time to compile most files is spent in JSON's header: read once for all, and once
# more for the cold rooms, whose other flags need a copy of their own.
function(farthing_common_headers target flags)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/${target}.cpp CONTENT "// empty\n")
  add_library(${target} OBJECT ${PROJECT_BINARY_DIR}/${target}.cpp)
  target_compile_options(${target} PRIVATE ${flags})
  target_link_libraries(${target} PRIVATE farthing_options nlohmann_json::nlohmann_json)
  target_precompile_headers(${target} PRIVATE <nlohmann/json.hpp> <algorithm> <cmath> <cstdint>
    <functional> <map> <memory> <optional> <string> <vector>)
endfunction()
set(farthing_cold_flags $<$<CONFIG:Release>:-O1>)
farthing_common_headers(farthing_common_headers "")
farthing_common_headers(farthing_common_headers_cold "${farthing_cold_flags}")

# Eight files at a time as one: the templates that they share are read and compiled once.  Names in a
# room's unnamed namespaces must therefore differ.  Off, one changed file compiles sooner.
option(FARTHING_UNITY "compile the files of a room together" ON)

if(FARTHING_UNITY)  # a type of an unnamed namespace looks foreign in a file that includes its file
  check_cxx_compiler_flag(-Wsubobject-linkage FARTHING_HAS_SUBOBJECT_LINKAGE)
  if(FARTHING_HAS_SUBOBJECT_LINKAGE)
    target_compile_options(farthing_options INTERFACE -Wno-subobject-linkage)
  endif()
endif()

# farthing_module(name DEPS a b LIBS x y): src/name/*.cpp is library `farthing_name`;
# src/name/*_test.cpp is the test program `name_test`.  Adding a file needs no edit here.
# A file named *_avx2.cpp, *_avx512.cpp, *_avx512bf16.cpp, *_avx512fp16.cpp or
# *_amx.cpp is compiled for that instruction set, and run only where machine/select_isa finds it.  PLAIN: without the common
# precompiled headers, for rooms with files of several instruction sets.  SERIAL: no thread of its
# own, so no tests under TSan.  COLD: compiled at -O1, for it takes no time worth measuring.
function(farthing_module name)
  cmake_parse_arguments(MODULE "PLAIN;SERIAL;COLD" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*_test.cpp)
  list(REMOVE_ITEM sources ${tests} "")
  foreach(source IN LISTS sources)
    if(source MATCHES "_avx2\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
    elseif(source MATCHES "_(avx512|avx512bf16|avx512fp16|amx)\\.cpp$")
      set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
                 -mprefer-vector-width=512)
      if(CMAKE_MATCH_1 STREQUAL avx512bf16)
        list(APPEND avx512 -mavx512bf16)
      elseif(CMAKE_MATCH_1 STREQUAL avx512fp16 AND NOT FARTHING_EMULATE)
        list(APPEND avx512 -mavx512fp16)
      elseif(CMAKE_MATCH_1 STREQUAL amx)
        list(APPEND avx512 -mavx512bf16)
      endif()
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx512}")
    endif()
  endforeach()
  if(sources)
    add_library(farthing_${name} STATIC ${sources})
    set(kind PUBLIC)
  else()
    add_library(farthing_${name} INTERFACE)
    set(kind INTERFACE)
  endif()
  list(TRANSFORM MODULE_DEPS PREPEND farthing_)
  set(common_headers farthing_common_headers)
  if(MODULE_COLD)
    set(common_headers farthing_common_headers_cold)
    target_compile_options(farthing_${name} PRIVATE ${farthing_cold_flags})
  endif()
  if(sources AND NOT MODULE_PLAIN)
    target_precompile_headers(farthing_${name} REUSE_FROM ${common_headers})
    set_target_properties(farthing_${name} PROPERTIES UNITY_BUILD ${FARTHING_UNITY}
                                                     UNITY_BUILD_BATCH_SIZE 8)
  endif()
  target_link_libraries(farthing_${name} ${kind} farthing_options ${MODULE_DEPS} ${MODULE_LIBS})
  if(MODULE_SERIAL AND FARTHING_SANITIZE MATCHES "thread")
    set(tests "")
  endif()
  if(tests AND FARTHING_TESTS)
    add_executable(${name}_test ${tests})
    add_dependencies(unit_tests ${name}_test)
    target_link_libraries(${name}_test PRIVATE farthing_${name} GTest::gtest_main)
    target_compile_options(${name}_test PRIVATE ${farthing_cold_flags})
    if(NOT MODULE_PLAIN)
      target_precompile_headers(${name}_test REUSE_FROM farthing_common_headers_cold)
      set_target_properties(${name}_test PROPERTIES UNITY_BUILD ${FARTHING_UNITY}
                                                    UNITY_BUILD_BATCH_SIZE 8)
    endif()
    target_compile_definitions(${name}_test PRIVATE FARTHING_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    # Suites named Slow...: seconds each, so in Release alone.
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST TEST_FILTER -Slow*
                         PROPERTIES LABELS fast)
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST TEST_FILTER Slow*
                         PROPERTIES LABELS slow)
  endif()
endfunction()
