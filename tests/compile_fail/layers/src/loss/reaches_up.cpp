// Breaks the order of the rooms, for the test of cmake/CheckLayers.cmake. Never compiled.
#include "cloob/base/error.h"
#include "cloob/model/dual_encoder.h"
