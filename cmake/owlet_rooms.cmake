# owlet_room(NAME DEPS …): src/NAME/**/*.cc becomes the library owlet_NAME, and src/NAME/**/*_test.cc the
# program NAME_test. Files in a folder named after an instruction set are compiled for it:
# cpu/avx2/, cpu/avx512/ … are left out where the compiler's target has no such instructions. WITHOUT …: so are sources whose path matches.

set(OWLET_WARNINGS -Wall -Wextra -Wconversion -Wno-sign-conversion)
# No contraction: a*b+c is two roundings unless a kernel asks for a fused one, so results are the same everywhere.
set(OWLET_FLAGS -ffp-contract=off)
# Messages name files as they lie in the checkout, wherever that is.
add_compile_options(-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(OWLET_SANITIZE)
  # A null pointer's use ends the program without a check of its own, and the address sanitizer knows objects' ends better: without these
  # three, which stand at every use of a member, a build takes a quarter less time.
  add_compile_options(-fsanitize=${OWLET_SANITIZE} -fno-sanitize=null,object-size,vptr -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OWLET_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options(-fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/cmake/sanitizers_ignore.txt)
  endif()
  # LLVM's clang brings libFuzzer along (Apple's does not): the same build then has the programs of tests/fuzz.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND OWLET_SANITIZE MATCHES "address")
    set(OWLET_FUZZERS ON)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(OWLET_ISA_avx2 -mavx2 -mfma -mf16c)
  set(OWLET_ISA_avxvnni -mavx2 -mfma -mf16c -mavxvnni)
  set(OWLET_ISA_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma -mf16c -mavx2)
  # Checked builds are for running at once: they leave out what this processor cannot run.
  set(isas avxvnni avx512)
  set(flags avx_vnni avx512_bf16)
  foreach(isa flag IN ZIP_LISTS isas flags)
    if(OWLET_SANITIZE AND EXISTS /proc/cpuinfo)
      file(STRINGS /proc/cpuinfo has REGEX ${flag} LIMIT_COUNT 1)
      if(NOT has)
        unset(OWLET_ISA_${isa})
        continue()
      endif()
    endif()
    string(TOUPPER ${isa} name)
    add_compile_definitions(OWLET_HAS_${name})
  endforeach()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12's own AVX-512 headers start from undefined vectors on purpose, and it warns of them.
    list(APPEND OWLET_ISA_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(OWLET_ISA_neon -march=armv8.2-a+dotprod+fp16)
  set(OWLET_ISA_neonmm -march=armv8.6-a+fp16)
endif()

# Headers that nearly every source includes and that take the compiler longest to read are read once: owlet_precompile(TARGET FIRST)
# reads them for FIRST and lets TARGET, compiled the same way, share them. The tests' come with GoogleTest's.
set(OWLET_PRECOMPILED <algorithm> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <unordered_map> <utility> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp>)
function(owlet_precompile target first)
  if(target STREQUAL first)
    target_precompile_headers(${target} PRIVATE ${OWLET_PRECOMPILED} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${first})
  endif()
endfunction()

# Sources are compiled several at a time, which takes a third of the time that one by one would; while you edit, cmake -DOWLET_UNITY=OFF
# compiles again only what you touched. What says the same names on purpose in several files stays apart.
option(OWLET_UNITY "Compile several sources at a time" ON)
set(CMAKE_UNITY_BUILD ${OWLET_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 10)

# owlet_test(TARGET SOURCES … DEPS …): a program of GoogleTest's; `ninja unit_tests` builds all of them and nothing else.
if(OWLET_TESTS)
  add_custom_target(unit_tests)
endif()
function(owlet_test target)
  cmake_parse_arguments(TEST "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${target} ${TEST_SOURCES})
  target_link_libraries(${target} PRIVATE ${TEST_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(${target} PRIVATE ${OWLET_WARNINGS} -O1)  # what they test is compiled as it should be
  owlet_precompile(${target} core_test <gtest/gtest.h> <gmock/gmock.h>)
  add_dependencies(unit_tests ${target})
endfunction()

function(owlet_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;WITHOUT" ${ARGN})
  # Seen from the checkout: the folder that it lies in may be called like what is left out.
  file(GLOB_RECURSE sources RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  foreach(left_out ${ROOM_WITHOUT})
    list(FILTER sources EXCLUDE REGEX "${left_out}")
  endforeach()
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_main)\\.cc$")
  foreach(isa avx2 avxvnni avx512 neon neonmm wasm relaxed)
    set(of_isa ${sources})
    list(FILTER of_isa INCLUDE REGEX "/cpu/${isa}/")
    if(of_isa AND DEFINED OWLET_ISA_${isa})
      # Compiled in their own way, they cannot share what the others have read.
      set_source_files_properties(${of_isa} PROPERTIES COMPILE_OPTIONS "${OWLET_ISA_${isa}}" SKIP_PRECOMPILE_HEADERS ON)
    elseif(of_isa)
      list(FILTER sources EXCLUDE REGEX "/cpu/${isa}/")
    endif()
  endforeach()
  set(apart ${sources})
  list(FILTER apart INCLUDE REGEX "/architectures/")
  set_source_files_properties(${apart} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  if(sources)
    add_library(owlet_${name} STATIC ${sources})
    target_include_directories(owlet_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(owlet_${name} PUBLIC ${ROOM_DEPS})
    target_compile_options(owlet_${name} PRIVATE ${OWLET_WARNINGS} PUBLIC ${OWLET_FLAGS})
    owlet_precompile(owlet_${name} owlet_core)
  else()
    add_library(owlet_${name} INTERFACE)
    target_link_libraries(owlet_${name} INTERFACE ${ROOM_DEPS})
  endif()
  if(OWLET_TESTS AND tests)
    owlet_test(${name}_test SOURCES ${tests} DEPS owlet_${name})
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600)
  endif()
endfunction()
