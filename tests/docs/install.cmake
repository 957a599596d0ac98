# cmake -DBINARY_DIR=... -DPREFIX=... -P install.cmake: an installed program runs from an empty folder with its own files.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${PREFIX})
file(MAKE_DIRECTORY ${PREFIX}/empty)
unset(ENV{LD_LIBRARY_PATH})
unset(ENV{CLOOB_SHARE_DIR})

function(run expected)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${PREFIX}/empty INPUT_FILE ${PREFIX}/text
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT output MATCHES "${expected}")
    message(FATAL_ERROR "${ARGN}: status ${status}, expected '${expected}', got:\n${output}")
  endif()
endfunction()

file(WRITE ${PREFIX}/text "a photo of a cat.\n")
run("Installing: " ${CMAKE_COMMAND} --install ${BINARY_DIR} --prefix ${PREFIX})
run("^cloob [0-9.]+\n$" ${PREFIX}/bin/cloob --version)
run("^49406 320 1125 539 320 2368 269 49407\n$" ${PREFIX}/bin/cloob tokenize)  # reads the installed vocabulary
run("ok" ${PREFIX}/bin/cloob config check ${PREFIX}/share/cloob/configs/run/quickstart.yaml)
file(REMOVE_RECURSE ${PREFIX})
