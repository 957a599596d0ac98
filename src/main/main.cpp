#include "cloob/base/collectives.h"
#include "cloob/cli/program.h"

int main(int argc, char** argv) {
  const cloob::SingleProcess collectives;
  return cloob::run_program(argc, argv, collectives);
}
