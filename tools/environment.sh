# Sourced by the scripts in this folder: ccache settings that allow hits for precompiled headers and from other checkouts.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_NOHASHDIR=1
export CCACHE_BASEDIR=$PWD
