# The engine for the browser: the rooms that answer, compiled to WebAssembly by Emscripten, without what only servers, training and
# terminals need. tools/browser.sh configures it, once for one thread and once for several.
set(OWLET_TESTS OFF)  # of the rooms, which are the program's; what runs here stands at the end
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
set(CMAKE_EXECUTABLE_SUFFIX .mjs)
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
owlet_room(apps WITHOUT "apps/(cmd_|bench_|store|peft|load_|line_chart|drawing|stroke_font|config|options|onnx_|quiz|made_up_|run_logs|served_models|talker|training_)"
           DEPS owlet_core owlet_quant owlet_kernels owlet_io owlet_tokenizer owlet_model owlet_generate owlet_serve)

# engine.mjs, engine.wasm and with threads engine.worker.js: what a page's worker loads.
add_executable(engine src/apps/browser/engine_main.cc)
target_link_libraries(engine PRIVATE owlet_apps)
target_compile_options(engine PRIVATE ${OWLET_WARNINGS})
target_link_options(engine PRIVATE -sMODULARIZE -sEXPORT_ES6 -sENVIRONMENT=worker,node -sFILESYSTEM=0 -sDYNAMIC_EXECUTION=0
                    -sALLOW_MEMORY_GROWTH -sMEMORY_GROWTH_LINEAR_STEP=16MB -sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=64MB -sEXPORTED_FUNCTIONS=_malloc,_free
                    $<$<BOOL:${OWLET_BROWSER_THREADS}>:-sPTHREAD_POOL_SIZE=Module.threads>)

# What the engine is made of, under node: the kernels' conformance suite, and the numbers of others.
set(googletest /usr/src/googletest/googletest)
if(EXISTS ${googletest})
  add_library(googletest STATIC EXCLUDE_FROM_ALL ${googletest}/src/gtest-all.cc ${googletest}/src/gtest_main.cc)
  target_include_directories(googletest PRIVATE ${googletest} SYSTEM PUBLIC ${googletest}/include)

  function(owlet_node_program target)
    cmake_parse_arguments(PROGRAM "" "" "SOURCES;DEPS" ${ARGN})
    add_executable(${target} EXCLUDE_FROM_ALL ${PROGRAM_SOURCES})
    target_link_libraries(${target} PRIVATE ${PROGRAM_DEPS})
    target_compile_options(${target} PRIVATE ${OWLET_WARNINGS})
    target_link_options(${target} PRIVATE -sNODERAWFS -sENVIRONMENT=node,worker -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB -sEXIT_RUNTIME
                        $<$<BOOL:${OWLET_BROWSER_THREADS}>:-sPROXY_TO_PTHREAD>)
    set_target_properties(${target} PROPERTIES SUFFIX .cjs)
  endfunction()
  owlet_node_program(kernels_test SOURCES src/kernels/conformance_test.cc src/kernels/conformance_cases_test.cc DEPS owlet_kernels googletest)
  # Text is read as it is: there is no zstd here.
  owlet_node_program(golden DEPS owlet_apps SOURCES tests/wasm/golden_main.cc tests/wasm/line_reader.cc src/train/loss.cc src/tokenizer/train.cc
                     tests/golden/check_gguf.cc tests/golden/check_models.cc tests/golden/check_tokenizers.cc
                     tests/golden/check_templates.cc tests/golden/check_sampling.cc)
  target_include_directories(golden PRIVATE tests/golden)
endif()
