# Sourced by the scripts here: compiler cache settings that let precompiled headers and other checkouts hit the cache.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_NOHASHDIR=1
export CCACHE_BASEDIR=$PWD
