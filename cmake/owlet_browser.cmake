# The engine for the browser: the rooms that answer, compiled to WebAssembly by Emscripten, without what only servers, training and
# terminals need. tools/browser.sh configures it, once for one thread and once for several.
set(OWLET_TESTS OFF)  # of the rooms, which are the program's; what runs here stands at the end
include(CheckCXXSourceCompiles)
option(OWLET_BROWSER_THREADS "Several threads, for pages that are isolated from other origins" OFF)

# Formatting and JSON are headers, the same everywhere. They are linked to from a folder of their own: beside them lies the
# system's C library, which is not Emscripten's.
set(headers ${CMAKE_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${headers})
foreach(library fmt nlohmann)
  find_path(${library}_folder ${library} REQUIRED NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH
            PATHS /usr/include /usr/local/include /opt/homebrew/include)
  file(CREATE_LINK ${${library}_folder}/${library} ${headers}/${library} SYMBOLIC)
endforeach()

set(OWLET_ISA_wasm -O3)
# Two minutes of optimizing would win nothing outside the kernels.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
# Sizes of 64 bits are held against what is there before they become addresses of 32.
list(APPEND OWLET_WARNINGS -Wno-shorten-64-to-32)
add_compile_options(-msimd128 -fwasm-exceptions)
add_link_options(-msimd128 -fwasm-exceptions)
if(OWLET_BROWSER_THREADS)
  add_compile_options(-pthread)
  add_link_options(-pthread)
endif()

add_library(owlet_fmt STATIC cmake/fmt_library.cc)
target_include_directories(owlet_fmt SYSTEM PUBLIC ${headers})

owlet_room(core WITHOUT /native/ line_reader core/log DEPS owlet_fmt)
owlet_room(quant DEPS owlet_core)
owlet_room(kernels WITHOUT /generic/ /peak machine_limits DEPS owlet_core owlet_quant)
owlet_room(io WITHOUT /hub/ /onnx /png /protobuf /tensorboard DEPS owlet_core owlet_quant)
owlet_room(tokenizer WITHOUT /native/ /train DEPS owlet_core)
owlet_room(model WITHOUT /onnx DEPS owlet_core owlet_quant owlet_kernels owlet_io)
owlet_room(generate DEPS owlet_core owlet_model)
owlet_room(serve WITHOUT http_server http_connection serve/page.cc serve/server.cc DEPS owlet_core owlet_generate owlet_tokenizer)
owlet_room(apps WITHOUT "apps/(cmd_|bench_|store|load_|growth|line_chart|drawing|stroke_font|config|options|onnx_|quiz|made_up_|run_logs|served_models|talker|training_)"
           DEPS owlet_core owlet_quant owlet_kernels owlet_io owlet_tokenizer owlet_model owlet_generate owlet_serve)

# Relaxed SIMD makes programs of their own, for a browser takes one whole or not at all: the same ones with the kernels of cpu/relaxed/ linked
# to them, in relaxed/. Emscripten's compiler knows the instructions or, if it is older, clang-19 beside it does; else there are none.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_REQUIRED_FLAGS "-msimd128 -mrelaxed-simd")
check_cxx_source_compiles("#include <wasm_simd128.h>
  v128_t dot(v128_t a, v128_t b) { return wasm_i16x8_relaxed_dot_i8x16_i7x16(a, b); }" OWLET_EMSCRIPTEN_IS_RELAXED)
find_program(OWLET_RELAXED_CLANG clang++-19 NO_CMAKE_FIND_ROOT_PATH)
if(OWLET_EMSCRIPTEN_IS_RELAXED)
  set(compiler ${CMAKE_CXX_COMPILER})
elseif(OWLET_RELAXED_CLANG)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} --cflags -fwasm-exceptions OUTPUT_VARIABLE emscripten_flags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(emscripten_flags UNIX_COMMAND "${emscripten_flags}")
  set(compiler ${OWLET_RELAXED_CLANG} ${emscripten_flags})
endif()
if(compiler)
  set(relaxed_ops ${CMAKE_BINARY_DIR}/relaxed/ops.o)
  add_custom_command(OUTPUT ${relaxed_ops} DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cpu/relaxed/ops.cc DEPFILE ${relaxed_ops}.d VERBATIM COMMAND_EXPAND_LISTS
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${compiler} -I${CMAKE_SOURCE_DIR}/src -isystem ${headers} -DNDEBUG -std=c++20 -O3 -msimd128 -mrelaxed-simd
            -fwasm-exceptions $<$<BOOL:${OWLET_BROWSER_THREADS}>:-pthread> ${OWLET_FLAGS} ${OWLET_WARNINGS}
            -MD -MF ${relaxed_ops}.d -c ${CMAKE_SOURCE_DIR}/src/kernels/cpu/relaxed/ops.cc -o ${relaxed_ops})
endif()
# owlet_browser_program(TARGET OPTIONS …): links with these, and TARGET_relaxed is the same with relaxed SIMD.
function(owlet_browser_program target)
  cmake_parse_arguments(PROGRAM "" "SUFFIX" "SOURCES;DEPS;OPTIONS" ${ARGN})
  add_library(${target}_objects OBJECT EXCLUDE_FROM_ALL ${PROGRAM_SOURCES})
  target_link_libraries(${target}_objects PRIVATE ${PROGRAM_DEPS})
  target_compile_options(${target}_objects PRIVATE ${OWLET_WARNINGS})
  add_custom_target(${target}s)
  foreach(program ${target} ${target}_relaxed)
    if(program STREQUAL target)
      add_executable(${program} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${target}_objects>)
    elseif(relaxed_ops)
      add_executable(${program} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${target}_objects> ${relaxed_ops})
      set_target_properties(${program} PROPERTIES OUTPUT_NAME ${target} RUNTIME_OUTPUT_DIRECTORY relaxed)
    else()
      continue()
    endif()
    target_link_libraries(${program} PRIVATE ${PROGRAM_DEPS})
    target_link_options(${program} PRIVATE -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB ${PROGRAM_OPTIONS})
    set_target_properties(${program} PROPERTIES SUFFIX ${PROGRAM_SUFFIX})
    add_dependencies(${target}s ${program})
  endforeach()
endfunction()

# engine.mjs, engine.wasm and with threads engine.worker.js: what a page's worker loads.
owlet_browser_program(engine SUFFIX .mjs SOURCES src/apps/browser/engine_main.cc DEPS owlet_apps
  OPTIONS -sMODULARIZE -sEXPORT_ES6 -sENVIRONMENT=worker,node -sFILESYSTEM=0 -sDYNAMIC_EXECUTION=0 -sMEMORY_GROWTH_LINEAR_STEP=16MB
          -sINITIAL_MEMORY=64MB -sEXPORTED_FUNCTIONS=_malloc,_free $<$<BOOL:${OWLET_BROWSER_THREADS}>:-sPTHREAD_POOL_SIZE=Module.threads>)

# What the engine is made of: the kernels' conformance suite, under node and in a browser's worker, and under node the numbers of others.
set(googletest /usr/src/googletest/googletest)
if(EXISTS ${googletest})
  add_library(googletest STATIC EXCLUDE_FROM_ALL ${googletest}/src/gtest-all.cc ${googletest}/src/gtest_main.cc)
  target_include_directories(googletest PRIVATE ${googletest} SYSTEM PUBLIC ${googletest}/include)

  set(program -sENVIRONMENT=node,worker -sEXIT_RUNTIME $<$<BOOL:${OWLET_BROWSER_THREADS}>:-sPROXY_TO_PTHREAD>)
  owlet_browser_program(kernels_test SUFFIX .cjs DEPS owlet_kernels googletest OPTIONS ${program}
                        SOURCES src/kernels/conformance_test.cc src/kernels/conformance_cases_test.cc)
  # Text is read as it is: there is no zstd here.
  owlet_browser_program(golden SUFFIX .cjs DEPS owlet_apps OPTIONS ${program} -sNODERAWFS
                        SOURCES tests/wasm/golden_main.cc tests/wasm/line_reader.cc src/train/loss.cc src/tokenizer/train.cc
                        tests/golden/check_gguf.cc tests/golden/check_models.cc tests/golden/check_tokenizers.cc
                        tests/golden/check_templates.cc tests/golden/check_sampling.cc)
  # Of two rooms, which share names.
  set_property(SOURCE src/train/loss.cc src/tokenizer/train.cc PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
  set_property(SOURCE tests/wasm/golden_main.cc APPEND PROPERTY INCLUDE_DIRECTORIES ${CMAKE_SOURCE_DIR}/tests/golden)
endif()
