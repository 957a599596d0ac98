# Run-time resources: the program finds them in ../share/cloob relative to bin, in the build tree and when installed.
set(CLOOB_SHARE_DIR ${PROJECT_BINARY_DIR}/share/cloob)
file(MAKE_DIRECTORY ${CLOOB_SHARE_DIR})
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/configs ${CLOOB_SHARE_DIR}/configs SYMBOLIC)
if(CLOOB_STEP_ONLY)
  return()  # its commands read nothing else, and it is not installed
endif()
foreach(resource bpe_simple_vocab_16e6.txt.gz en_classnames.json en_zeroshot_classification_templates.json imagenet_synsets.txt)
  set(source ${CLOOB_DEPS_DIR}/share/${resource})
  if(NOT EXISTS ${source})
    message(FATAL_ERROR "${source} is missing: run tools/setup.sh")
  endif()
  configure_file(${source} ${CLOOB_SHARE_DIR}/${resource} COPYONLY)
endforeach()
# The fonts of contact sheets.
foreach(font dejavu/DejaVuSans.ttf unifont/unifont.otf unifont/unifont_upper.otf)
  get_filename_component(name ${font} NAME)
  find_file(CLOOB_FONT_${name} ${font} PATHS /usr/share/fonts /usr/local/share/fonts PATH_SUFFIXES truetype opentype NO_DEFAULT_PATH)
  require_package(CLOOB_FONT_${name} ${name} "fonts-dejavu-core and fonts-unifont")
  configure_file(${CLOOB_FONT_${name}} ${CLOOB_SHARE_DIR}/fonts/${name} COPYONLY)
endforeach()

include(GNUInstallDirs)
# The installed program uses LibTorch where it is now. INSTALL_RPATH_USE_LINK_PATH would leave out a folder inside the source
# tree, such as .deps.
get_filename_component(_run_path ${CLOOB_TORCH_DIR}/lib REALPATH)
set_target_properties(cloob_program PROPERTIES INSTALL_RPATH ${_run_path})
install(TARGETS cloob_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${CLOOB_SHARE_DIR} DESTINATION ${CMAKE_INSTALL_DATADIR} PATTERN configs EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/cloob PATTERN test EXCLUDE)
